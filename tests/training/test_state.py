"""The averaged weights, the learning rate and the budget."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equishare.training.averaging import AveragedWeights
from equishare.training.budget import Budget, default_learning_rate, default_max_time, learning_rate_factor
from equishare.training.config import OptimisationConfig
from equishare.training.state import TrainingState
from equishare.training.validation import epochs_passed


def test_average_is_exponential_and_forgets_the_start(small_potential):
    averaged = AveragedWeights(small_potential, decay=0.9)
    weight, expected = small_potential.net.embedding.weight, None
    for n in range(300):
        value = math.sin(n)
        with torch.no_grad():
            weight.fill_(value)
        averaged.update()
        decay = min(0.9, (1 + n) / (10 + n))
        expected = value if expected is None else decay * expected + (1 - decay) * value
        assert averaged.potential.net.embedding.weight[0, 0].item() == pytest.approx(expected, abs=1e-5)
    assert averaged.potential is not small_potential


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.5), st.floats(0, 1))
def test_rate_rises_then_falls_to_its_end(first, second, warmup, final):
    low, high = sorted((first, second))
    a, b = (learning_rate_factor(x, warmup, final) for x in (low, high))
    assert 0 <= a <= 1
    if low >= warmup:
        assert a >= b - 1e-12
    if high < warmup:
        assert a <= b + 1e-12
    assert learning_rate_factor(1.0, warmup, final) == pytest.approx(final)


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_longer_runs_have_lower_rates(first, second):
    few, many = sorted((first, second))
    assert 0 < default_learning_rate(many) <= default_learning_rate(few) <= 0.04


def test_steps_of_few_frames_have_lower_rates(small_potential):
    rates = [default_learning_rate(9600, frames) for frames in (1, 2, 5, 50)]
    assert rates == pytest.approx([0.0158 * factor**0.5 for factor in (0.2, 0.4, 1.0, 1.0)], rel=1e-3)
    options, budget = OptimisationConfig(batch_size=2, warmup=0.0), Budget(epochs=100, steps_per_epoch=96)
    assert TrainingState(small_potential, options, budget).learning_rate == pytest.approx(rates[1])


def test_rate_given_replaces_the_default(small_potential):
    budget = Budget(epochs=100, steps_per_epoch=96)
    for given_rate, highest in ((None, default_learning_rate(9600)), (0.003, 0.003)):
        options = OptimisationConfig(learning_rate=given_rate, warmup=0.0)
        assert TrainingState(small_potential, options, budget).learning_rate == pytest.approx(highest)


def test_budget_in_time_expects_steps_by_those_done():
    budget = Budget(max_time=100.0, begun=20.0, reserve=30.0)
    assert budget.steps(0, 20.0) == 0
    assert budget.steps(10, 45.0) == pytest.approx(20)
    assert budget.steps(30, 95.0) == 30


@given(st.integers(1, 50), st.integers(1, 50))
def test_budget_in_epochs_counts_steps(epochs, steps):
    budget = Budget(epochs=epochs, steps_per_epoch=steps)
    used = [budget.fraction(step, seconds=1e9) for step in range(epochs * steps + 1)]
    assert used[0] == 0
    assert used[-1] == 1
    assert np.allclose(np.diff(used), 1 / (epochs * steps))


def test_budget_in_time_keeps_a_reserve_but_trains_at_all():
    budget = Budget(max_time=100.0, begun=20.0, reserve=30.0)
    assert budget.fraction(0, 20.0) == 0
    assert budget.fraction(0, 45.0) == pytest.approx(0.5)
    assert budget.fraction(0, 70.0) == 1
    assert Budget(max_time=10.0, begun=9.0, reserve=9.0).fraction(0, 10.0) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="epochs or max_time"):
        Budget().fraction(0, 0.0)


def test_default_budget_grows_with_the_data():
    times = [default_max_time(atoms) for atoms in (1, 10**3, 10**4, 10**5, 10**6, 10**9)]
    assert times == sorted(times)
    assert (times[0], times[-1]) == (600.0, 8 * 3600.0)


@given(st.integers(1, 2000), st.data())
def test_epochs_are_told_apart(steps_per_epoch, data):
    """Whole ones are whole; what is inside of one never rounds up to the next."""
    step = data.draw(st.integers(0, 10 * steps_per_epoch))
    found = epochs_passed(step, steps_per_epoch)
    assert isinstance(found, int) == (step % steps_per_epoch == 0)
    assert step // steps_per_epoch <= found < step // steps_per_epoch + 1
