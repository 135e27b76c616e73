"""Duplicates are found however they are turned, and nothing else is taken for one."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from equishare.atoms.distances import is_sound, neighbour_pairs
from equishare.atoms.duplicates import fingerprint, group_duplicates
from equishare.datasets import load


def crystal(seed=0):
    atoms = bulk("NaCl", "rocksalt", a=5.6).repeat((2, 2, 1))
    atoms.rattle(0.1, seed=seed)
    return atoms


def moved(atoms, seed):
    """The same geometry: turned, mirrored or not, shifted, in another order, rounded to 1e-6 Å."""
    rng = np.random.default_rng(seed)
    other = atoms[rng.permutation(len(atoms))]
    q = ortho_group.rvs(3, random_state=rng)
    other.set_cell(other.cell[:] @ q)
    other.positions = other.positions @ q + rng.normal(size=3)
    if other.pbc.any():
        other.wrap()
    other.positions = np.round(other.positions, 6)
    return other


@pytest.mark.parametrize("atoms", [molecule("CH3CH2OH"), molecule("C6H6"), crystal()], ids=str)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_a_moved_copy_is_a_duplicate(atoms, seed):
    copy = moved(atoms, seed)
    np.testing.assert_allclose(fingerprint(copy), fingerprint(atoms), rtol=1e-5, atol=1e-5)
    different = atoms.copy()
    different.rattle(0.01, seed=seed)
    assert group_duplicates([atoms, different, copy]).tolist() == [0, 1, 0]


def test_many_copies_are_one_group():
    frames = [moved(molecule("CH3OH"), n) for n in range(40)] + [molecule("H2O")] * 50
    assert np.bincount(group_duplicates(frames)).tolist() == [40, 50]


def test_a_small_displacement_in_a_crystal_is_not_a_duplicate():
    # symmetric: sums over pairs change in second order only
    perfect = bulk("Li", "bcc", a=3.5, cubic=True).repeat(3)
    shifted = perfect.copy()
    shifted.positions[0, 0] += 0.01
    assert group_duplicates([perfect, shifted, perfect]).tolist() == [0, 1, 0]


def test_frames_without_geometry_stand_alone():
    broken = molecule("H2O")
    broken.positions[0] = np.nan
    assert group_duplicates([broken, broken, Atoms("H2O", pbc=True)]).tolist() == [0, 1, 2]
    assert group_duplicates([]).tolist() == []


def test_md_frames_are_not_duplicates():
    frames = load("ethanol_test")
    assert len(set(group_duplicates(frames).tolist())) == len(frames)


@given(
    st.integers(2, 12),
    st.floats(1.0, 6.0),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.integers(0, 99),
)
@settings(max_examples=30, deadline=None)
def test_pairs_are_those_of_ase(n, cutoff, pbc, seed):
    from ase.neighborlist import neighbor_list

    rng = np.random.default_rng(seed)
    cell = np.diag([4.0, 5.0, 6.0]) + rng.normal(scale=0.3, size=(3, 3))
    atoms = Atoms(f"H{n}", rng.uniform(0, 6, size=(n, 3)), cell=cell, pbc=pbc)
    pairs = neighbour_pairs(atoms, cutoff)
    d = neighbor_list("d", atoms, cutoff)
    np.testing.assert_allclose(np.sort(pairs.d), np.sort(d), atol=1e-10)
    np.testing.assert_allclose(np.linalg.norm(pairs.vectors, axis=1), pairs.d)


@pytest.mark.parametrize(
    ("atoms", "sound"),
    [
        (molecule("H2O"), True),
        (crystal(), True),
        (Atoms("H", pbc=True), False),
        (Atoms("H", cell=[1, 1, 0], pbc=[True, True, False]), True),
        (Atoms("H", cell=[3, 0, 3], pbc=[True, True, False]), False),
        (Atoms("H", positions=[[np.inf, 0, 0]]), False),
        (Atoms("H", cell=[np.nan, 3, 3], pbc=True), False),
        (Atoms("H8", cell=[1, 1, 1], pbc=True), False),
        (Atoms(), False),
    ],
    ids=str,
)
def test_soundness(atoms, sound):
    assert is_sound(atoms) is sound
