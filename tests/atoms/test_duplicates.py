"""Duplicates are found however they are turned, and nothing else is taken for one."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from equishare.atoms import Frame
from equishare.atoms.duplicates import group_duplicates
from equishare.atoms.geometries import geometries
from equishare.datasets import load


def crystal(seed=0):
    atoms = bulk("NaCl", "rocksalt", a=5.6).repeat((2, 2, 1))
    atoms.rattle(0.1, seed=seed)
    return atoms


def groups(structures):
    return group_duplicates([Frame(atoms) for atoms in structures])


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
@settings(max_examples=15)
def test_a_moved_copy_is_a_duplicate(atoms, seed):
    copy = moved(atoms, seed)
    ours, theirs = (geometries([Frame(each)]).invariants for each in (copy, atoms))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    different = atoms.copy()
    different.rattle(0.01, seed=seed)
    assert groups([atoms, different, copy]).tolist() == [0, 1, 0]


def test_many_copies_are_one_group():
    frames = [moved(molecule("CH3OH"), n) for n in range(40)] + [molecule("H2O")] * 50
    assert np.bincount(groups(frames)).tolist() == [40, 50]


def test_a_small_displacement_in_a_crystal_is_not_a_duplicate():
    # symmetric: sums over pairs change in second order only
    perfect = bulk("Li", "bcc", a=3.5, cubic=True).repeat(3)
    shifted = perfect.copy()
    shifted.positions[0, 0] += 0.01
    assert groups([perfect, shifted, perfect]).tolist() == [0, 1, 0]


def test_frames_without_geometry_stand_alone():
    broken = molecule("H2O")
    broken.positions[0] = np.nan
    assert groups([broken, broken, Atoms("H2O", pbc=True)]).tolist() == [0, 1, 2]
    assert groups([]).tolist() == []


def test_md_frames_are_not_duplicates():
    frames = load("ethanol_test")
    assert len(set(groups(frames).tolist())) == len(frames)
