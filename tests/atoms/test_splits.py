"""Splits: complete, disjoint, seeded, and duplicates on one side."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from hypothesis import given, settings
from hypothesis import strategies as st

from equishare.atoms.frame import Frame
from equishare.atoms.splits import SplitError, split_frames


def make(n, copies=1):
    frames = []
    for k in range(n):
        atoms = molecule("H2O")
        atoms.rattle(0.1, seed=k)
        for _ in range(copies):
            turned = atoms.copy()
            turned.rotate(37.0 * len(frames), "x")
            frames.append(Frame(turned, energy=-1.0 * k, file="w.xyz", index=len(frames)))
    return frames


def rng(seed=0):
    return np.random.default_rng(seed)


@given(st.integers(3, 40), st.floats(0.01, 0.4), st.floats(0.0, 0.4), st.integers(0, 99))
@settings(max_examples=40)
def test_parts_are_disjoint_and_complete(n, valid, test, seed):
    frames = make(n)
    split = split_frames(frames, valid, test, generator=rng(seed))
    numbers = sorted(f.index for part in (split.train, split.valid, split.test) for f in part)
    assert numbers == list(range(n))
    assert len(split.valid) == max(1, round(valid * n))
    assert len(split.test) == (max(1, round(test * n)) if test else 0)
    again = split_frames(frames, valid, test, generator=rng(seed))
    assert [f.index for f in again.valid] == [f.index for f in split.valid]


def test_another_seed_is_another_split_and_no_global_state_is_used():
    frames = make(50)
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    parts = {tuple(f.index for f in split_frames(frames, generator=rng(seed)).valid) for seed in range(5)}
    assert len(parts) == 5
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@given(st.integers(0, 99))
@settings(max_examples=10)
def test_turned_copies_stay_on_one_side(seed):
    split = split_frames(make(12, copies=3), 0.2, 0.2, generator=rng(seed))
    sides = [{f.energy for f in part} for part in (split.train, split.valid, split.test)]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]


def test_isolated_atoms_are_left_out():
    atom = Frame(Atoms("H"), energy=-13.6)
    split = split_frames([atom, *make(10)], generator=rng())
    assert all(len(f.atoms) == 3 for part in (split.train, split.valid, split.test) for f in part)


def test_parts_may_be_files_of_their_own():
    frames, valid, test = make(10), make(4), make(3)
    split = split_frames(frames, valid, test, generator=rng())
    assert (len(split.train), split.valid, split.test) == (10, tuple(valid), tuple(test))
    split = split_frames(frames, 0.2, test, generator=rng())
    assert (len(split.train), len(split.valid), len(split.test)) == (8, 2, 3)


@pytest.mark.parametrize(
    ("frames", "valid", "test", "message"),
    [
        ([], 0.1, 0.1, "training part is empty: 0 frames"),
        ([Frame(Atoms("H"))], 0.1, 0.1, "1 of them isolated atoms"),
        (make(2), 0.5, 0.5, "training part is empty: 2 frames"),
        (make(5), 0.0, 0.1, "validation part is empty"),
        (make(5), [], 0.1, "validation part is empty"),
        (make(5), [Frame(Atoms("H"))], 0.1, "validation part is empty"),
        (make(5), 0.1, [], "test part is empty"),
        (make(5), 1.0, 0.1, "fraction from 0 to below 1 for valid, got 1.0"),
        (make(5), 0.1, -0.1, "fraction from 0 to below 1 for test, got -0.1"),
        (make(5), float("nan"), 0.0, "fraction from 0 to below 1 for valid, got nan"),
        (make(1, copies=9), 0.1, 0.1, "training part is empty: 9 frames"),
    ],
)
def test_empty_parts(frames, valid, test, message):
    with pytest.raises(SplitError, match=message):
        split_frames(frames, valid, test, generator=rng())
