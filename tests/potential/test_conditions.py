"""Charge, spin and method that go into the network."""

import numpy as np
import pytest
import torch
from ase.build import molecule

from equishare.atoms.labels import read_conditions
from equishare.potential import ModelConfig, collate
from equishare.potential.given import ConditionError, conditioned_graph, conditions_of

CONFIG = ModelConfig(conditions=("charge", "spin", "method"), methods=("xtb", "pbe"))


@pytest.fixture
def conditioned(make_potential):
    potential = make_potential(heads=("dipole",), conditions=("charge", "spin", "method"), methods=("xtb", "pbe"))
    with torch.no_grad():
        potential.net.conditions.tables["method"].normal_()
    return potential


def test_they_are_read_from_the_structure(conditioned):
    plain, told = molecule("CH3CH2OH"), molecule("CH3CH2OH")
    told.info.update(charge=1, multiplicity=2.0, Method="pbe")
    assert conditions_of(told, CONFIG) == {"charge": 1, "spin": 2, "method": 1}
    (before, after) = conditioned.predict([plain, told])
    assert abs(before["energy"] - after["energy"]) > 1e-3
    assert after["charges"].sum() == pytest.approx(1.0)
    told.calc = conditioned.calculator()
    assert told.get_potential_energy() == pytest.approx(after["energy"], rel=1e-9)
    assert np.allclose(told.get_forces(), after["forces"], atol=1e-9)


@pytest.mark.parametrize(
    "info",
    [
        {"REF_charge": 1, "spin_dft": 2},
        {"dft_total_charge": 1.0, "Multiplicity": 2},
        {"charge": None, "total_charge": 1, "spin": 2},
    ],
)
def test_they_are_spelt_as_in_files_to_train_on(info):
    atoms = molecule("CH3CH2OH")
    atoms.info.update(info)
    assert conditions_of(atoms, CONFIG) == {"charge": 1, "spin": 2, "method": 0}
    (read,) = read_conditions([atoms], ["the frame"])
    assert read == {"charge": 1, "spin": 2}


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({"charge": 0.5}, "whole number as the charge"),
        ({"charge": 1e300}, "whole number as the charge"),
        ({"spin": 0}, "whole number as the spin"),
        ({"method": "mp2"}, "out of xtb, pbe, got 'mp2'"),
    ],
)
def test_what_a_condition_cannot_be(info, message):
    atoms = molecule("H2O")
    atoms.info.update(info)
    with pytest.raises(ConditionError, match=message):
        conditions_of(atoms, CONFIG)


def test_invariant_and_differentiable(conditioned, orthogonal):
    """Energies stay under rotations and permutations; forces are the slope of the energy."""
    atoms = molecule("CH3CH2OH")
    atoms.info.update(charge=-1, spin=2, method="pbe")
    (found,) = conditioned.predict([atoms])
    g, order = orthogonal(improper=True).numpy(), np.random.default_rng(0).permutation(len(atoms))
    turned = atoms[order]
    turned.info = dict(atoms.info)
    turned.positions = turned.positions @ g.T
    (again,) = conditioned.predict([turned])
    assert again["energy"] == pytest.approx(found["energy"], abs=1e-9)
    assert np.allclose(again["forces"], found["forces"][order] @ g.T, atol=1e-9)
    move, energies = np.random.default_rng(1).normal(size=(len(atoms), 3)), []
    for step in (1e-4, -1e-4):
        moved = atoms.copy()
        moved.positions += step * move
        energies.append(conditioned.predict([moved])[0]["energy"])
    assert -(found["forces"] * move).sum() == pytest.approx((energies[0] - energies[1]) / 2e-4, rel=1e-5)


def test_structures_of_a_batch_have_their_own(conditioned):
    neutral, ion = molecule("CH3CH2OH"), molecule("H2O")
    ion.info.update(charge=-1)
    together = conditioned(collate([conditioned_graph(atoms, conditioned.config) for atoms in (neutral, ion)]))
    alone = [conditioned(collate([conditioned_graph(atoms, conditioned.config)])) for atoms in (neutral, ion)]
    assert torch.allclose(together.energy, torch.cat([each.energy for each in alone]))


def test_a_pair_of_ions_far_apart_keeps_the_charge_in_all(conditioned):
    """Parts of a number sum to it, whatever the size."""
    pair = molecule("H2O") + molecule("H2O")
    pair.positions[3:] += 30.0
    pair.info.update(charge=2)
    assert conditioned.predict([pair])[0]["charges"].sum() == pytest.approx(2.0)


def test_twice_the_number_is_added_twice(conditioned):
    added = []
    conditioned.net.conditions.register_forward_hook(lambda _, given, out: added.append(out[:, 0] - given[1][:, 0]))
    for charge in (1, 2, -1):
        atoms = molecule("H2O")
        atoms.info.update(charge=charge)
        conditioned.predict([atoms])
    assert torch.allclose(2 * added[0], added[1], atol=1e-6)
    assert not torch.allclose(added[2], -added[0], atol=1e-3)  # an anion is not a cation's opposite
