"""A molecule that reacts is noticed; one that vibrates is not."""

import numpy as np
import pytest
from ase.build import bulk, molecule

from equishare import datasets
from equishare.learning.bonds import Bonds


def test_hot_ethanol_is_ethanol():
    frames = [atoms for atoms in datasets.load("ethanol") if len(atoms) == 9]
    bonds = Bonds(frames[0])
    assert [k for k, atoms in enumerate(frames) if bonds.changed(atoms)] == []


def test_a_hydrogen_that_moves_over_is_a_reaction():
    ethanol = molecule("CH3CH2OH")
    bonds = Bonds(ethanol)
    oxygen = ethanol.symbols.search("O")[0]
    carbons = ethanol.symbols.search("C")
    far = max(carbons, key=lambda k: ethanol.get_distance(k, oxygen))
    hydrogen = min(ethanol.symbols.search("H"), key=lambda k: ethanol.get_distance(k, far))
    moved = ethanol.copy()
    moved.positions[hydrogen] = moved.positions[oxygen] + np.array([0.0, 0.0, 0.97])
    assert "is broken" in bonds.changed(moved)


@pytest.mark.parametrize("distance", [0.9, 1.4])
def test_a_new_bond_is_named(distance):
    pair = molecule("H2O")
    other = pair.copy()
    other.positions += [0, 0, 5.0]
    both = pair + other
    bonds = Bonds(both)
    assert bonds.changed(both) is None
    both.positions[3:] += [0, 0, distance - 5.0]
    assert bonds.changed(both) is not None


def test_crystals_have_none():
    copper = bulk("Cu")
    assert Bonds(copper).changed(copper * (1, 1, 1)) is None
