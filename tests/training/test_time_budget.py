"""A run keeps to its time."""

from types import SimpleNamespace

import pytest

from equishare.training.budget import default_learning_rate
from equishare.training.config.config_file import merge, validate
from equishare.training.fit import fit
from equishare.training.objective import Objective
from equishare.training.state import TrainingState


@pytest.fixture
def clock(monkeypatch):
    """A clock of the training's own: every look at it takes 0.05 s, and `clock.passed` can be moved."""
    clock = SimpleNamespace(passed=0.0)

    def perf_counter():
        clock.passed += 0.05
        return clock.passed

    monkeypatch.setattr("equishare.clock.time", SimpleNamespace(perf_counter=perf_counter))
    return clock


def test_time_budget_is_kept(tmp_path, tiny, clock):
    """The last prediction is made in time, the rate falls to its end, and no epoch is shown twice."""
    run = fit(tiny(budget={"epochs": None, "max_time": 80.0}, run={"out": str(tmp_path / "run")}))
    assert 0.5 * 80.0 < run.seconds <= 80.0
    rows = run.folder.read_metrics()
    rates = [row["learning_rate"] for row in rows]
    assert rates[-1] == pytest.approx(
        0.01 * default_learning_rate(rows[-1]["step"], run.config.optimisation.batch_size), rel=0.2
    )
    falling = rates[rates.index(max(rates)) :]
    assert len(falling) > 5
    assert falling == sorted(falling, reverse=True)
    epochs = [row["epoch"] for row in rows]
    assert epochs == sorted(set(epochs))


def test_long_epochs_are_validated_on_the_way_and_shown_once(tmp_path, tiny, clock):
    config = tiny(optimisation={"batch_size": 1}, budget={"epochs": None, "max_time": 50.0})
    run = fit(validate(merge(config.model_dump(by_alias=True), {"run": {"out": str(tmp_path / "run")}})))
    epochs = [row["epoch"] for row in run.folder.read_metrics()]
    assert any(epoch % 1 for epoch in epochs)
    assert epochs == sorted(set(epochs))


def test_compiling_is_not_on_the_budgets_clock(tmp_path, tiny, clock, monkeypatch):
    calls, passed, original = [], [], Objective.differentiate

    def slow_at_first(self, batch, weights):
        clock.passed += 1000.0 * (not calls)
        calls.append(batch)
        return original(self, batch, weights)

    monkeypatch.setattr(Objective, "differentiate", slow_at_first)
    step = TrainingState.take_step
    monkeypatch.setattr(
        TrainingState,
        "take_step",
        lambda self, *given: passed.append(self.seconds - self.budget.begun) or step(self, *given),
    )
    fit(tiny(budget={"epochs": 1}, run={"out": str(tmp_path / "run")}))
    assert len(calls) == len(passed) + 1
    assert passed[0] < 1000.0
