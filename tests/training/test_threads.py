"""Threads: as many as the work can use, never more than allowed, and all of them back afterwards."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equishare.training.fit import fit
from equishare.training.state import TrainingState
from equishare.training.threads import threads_for


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@given(atoms=st.floats(0, 1e6), allowed=st.integers(1, 8))
def test_threads_follow_the_work(atoms, allowed):
    before = torch.get_num_threads()
    torch.set_num_threads(allowed)
    try:
        with threads_for(atoms) as number:
            assert number == torch.get_num_threads()
            assert 1 <= number <= allowed
            assert number == 1 or atoms / number >= 48
        assert torch.get_num_threads() == allowed
    finally:
        torch.set_num_threads(before)


def test_small_steps_take_one_thread(four_threads, tmp_path, tiny, monkeypatch):
    seen, step = set(), TrainingState.take_step
    monkeypatch.setattr(
        TrainingState, "take_step", lambda *given: seen.add(torch.get_num_threads()) or step(*given)
    )  # 8 frames of 9 atoms
    fit(tiny(budget={"epochs": 1}, run={"out": str(tmp_path / "run")}))
    assert seen == {1}
    assert torch.get_num_threads() == 4


def test_threads_come_back_after_an_error(four_threads):
    with pytest.raises(RuntimeError), threads_for(9):
        raise RuntimeError
    assert torch.get_num_threads() == 4


def test_a_block_inside_another_may_use_what_the_outer_one_left(four_threads):
    with threads_for(9), threads_for(96) as inner:
        assert inner == 2
    assert torch.get_num_threads() == 4
