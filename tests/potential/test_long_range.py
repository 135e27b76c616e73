"""Charges that the network predicts and their Coulomb energy: its law, its derivatives, and what it is for."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from equishare.potential import collate, from_atoms, hessian
from equishare.potential.arrays import ArrayPotential
from equishare.potential.given import conditioned_graph
from equishare.potential.long_range import COULOMB, LongRangeError, Space

pytest.importorskip("torchpme")
SALT = 1.74756459463  # Madelung's constant of rock salt, for the distance of neighbours


@pytest.fixture(scope="module")
def charged(make_potential):
    """A random network whose charges are some tenths of e."""
    potential = make_potential(long_range="coulomb", conditions=("charge",))
    with torch.no_grad():
        potential.long_range.charge.last.weight *= 3
    return potential


@pytest.fixture
def crystal():
    cell = bulk("CO", "rocksalt", 4.4, cubic=True)
    cell.set_cell(cell.cell.array + np.random.default_rng(1).normal(scale=0.2, size=(3, 3)), scale_atoms=True)
    cell.positions += np.random.default_rng(2).normal(scale=0.1, size=cell.positions.shape)
    return cell


def energy_of(atoms, charges):
    graph = from_atoms(atoms, 3.0)
    graph["pbc"] = torch.from_numpy(atoms.pbc[None].copy())
    return float(Space.of(graph).coulomb(torch.tensor(charges, dtype=torch.float64)).sum().detach())


def test_far_apart_it_is_the_law_of_coulomb():
    pair = Atoms("CO", [[0, 0, 0], [0, 0, 9.0]])
    assert energy_of(pair, [0.7, -0.4]) == pytest.approx(-0.28 * COULOMB / 9.0, rel=1e-12)
    assert abs(COULOMB - 14.399645) < 1e-5


def test_a_crystal_of_point_charges():
    """Where neighbours are many widths apart the Gaussians are points: the Madelung constant of rock salt."""
    salt = bulk("NaCl", "rocksalt", 12.0)
    assert energy_of(salt, [1.0, -1.0]) == pytest.approx(-SALT * COULOMB / 6.0, rel=1e-6)


def test_a_large_cell_is_summed_on_a_mesh():
    """320 atoms on a mesh, against their eight-fold smaller cell by Ewald's sum."""
    small = bulk("NaCl", "rocksalt", 4.4, cubic=True) * (1, 1, 5)
    charges = np.where(small.symbols == "Na", 1.0, -1.0)
    large = small * (2, 2, 2)
    assert energy_of(large, np.tile(charges, 8)) == pytest.approx(8 * energy_of(small, charges), rel=1e-5)


@pytest.mark.parametrize("charge", [0, -1])
def test_charges_sum_to_that_of_the_structure(charged, crystal, charge):
    for atoms in (molecule("CH3CH2OH"), crystal):
        atoms.info["charge"] = charge
        (found,) = charged.predict([atoms])
        assert abs(found["charges"].sum() - charge) < 1e-12
        assert np.ptp(found["charges"]) > 0.1


@pytest.mark.parametrize("periodic", [False, True])
def test_forces_and_stress_are_derivatives(charged, crystal, periodic):
    atoms = crystal if periodic else molecule("CH3CH2OH")
    atoms.info["charge"] = 0 if periodic else 1
    moves = np.random.default_rng(0).normal(size=(2, *atoms.positions.shape))
    (found,) = charged.predict([atoms], stress=periodic)

    def energy(step, move):
        moved = atoms.copy()
        moved.positions += step * move
        return charged.predict([moved], forces=False)[0]["energy"]

    for move in moves:
        slope = (energy(1e-5, move) - energy(-1e-5, move)) / 2e-5
        assert -(found["forces"] * move).sum() == pytest.approx(slope, rel=1e-6, abs=1e-8)
    if periodic:
        strain = np.random.default_rng(3).normal(size=(3, 3))
        strain += strain.T

        def strained(step):
            moved = atoms.copy()
            moved.set_cell(atoms.cell.array @ (np.eye(3) + step * strain), scale_atoms=True)
            return charged.predict([moved], forces=False)[0]["energy"]

        slope = (strained(1e-5) - strained(-1e-5)) / 2e-5
        assert atoms.get_volume() * (found["stress"] * strain).sum() == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("improper", [False, True], ids=["rotation", "improper"])
def test_it_turns_and_moves_with_the_structure(charged, crystal, orthogonal, improper):
    g = orthogonal(improper).numpy()
    for atoms in (molecule("CH3CH2OH"), crystal):
        turned = atoms.copy()
        turned.set_cell(atoms.cell.array @ g.T)
        turned.positions = atoms.positions @ g.T + [3.0, -2.0, 5.0]
        (before,), (after,) = charged.predict([atoms]), charged.predict([turned])
        assert after["energy"] == pytest.approx(before["energy"], abs=1e-8)
        assert np.allclose(after["forces"], before["forces"] @ g.T, atol=1e-8)


def test_a_batch_of_molecules_and_crystals_is_each_of_them(charged, crystal):
    frames = [molecule("H2O"), crystal, molecule("CH4"), Atoms("O")]
    together = charged.predict(frames, batch_size=4)
    for atoms, found in zip(frames, together, strict=True):
        (alone,) = charged.predict([atoms])
        assert found["energy"] == pytest.approx(alone["energy"], abs=1e-9)
        assert np.allclose(found["forces"], alone["forces"], atol=1e-9)


def test_second_derivatives_are_those_of_the_forces(charged):
    water = molecule("H2O")
    matrix = hessian(charged, conditioned_graph(water, charged.config)).numpy()
    moved = water.copy()
    for sign in (1, -1):
        moved.positions[0, 1] = water.positions[0, 1] + sign * 1e-4
        forces = charged.predict([moved])[0]["forces"]
        slope = forces if sign == 1 else (slope - forces) / 2e-4
    assert np.allclose(-slope.ravel(), matrix[1], atol=1e-6)


def test_dynamics_run_it_on_tensors(charged):
    water = molecule("H2O")
    assert not ArrayPotential.serves(charged)
    water.calc = charged.calculator()
    assert water.get_potential_energy() == pytest.approx(charged.predict([water])[0]["energy"], abs=1e-9)
    assert abs(water.calc.results["charges"].sum()) < 1e-12


def test_slabs_are_refused(charged):
    slab = Atoms("CO", [[0, 0, 0], [0, 0, 1.2]], cell=[4, 4, 20], pbc=[True, True, False])
    with pytest.raises(LongRangeError, match="some axes only"):
        charged.predict([slab])


def test_without_it_nothing_is_added(make_potential):
    plain = make_potential()
    assert plain.long_range is None
    assert not any("long_range" in name for name in plain.state_dict())
    graph = collate([from_atoms(molecule("H2O"), plain.cutoff)])
    assert "pbc" not in graph


def test_the_charges_of_a_head_are_the_ones(make_potential):
    potential = make_potential(long_range="coulomb", heads=("dipole",))
    assert potential.long_range.charge is None
    (found,) = potential.predict([molecule("CH3CH2OH")])
    plain = make_potential(heads=("dipole",))
    plain.load_state_dict(potential.state_dict())
    (without,) = plain.predict([molecule("CH3CH2OH")])
    assert np.allclose(found["charges"], without["charges"])
    expected = energy_of(molecule("CH3CH2OH"), found["charges"])
    assert found["energy"] - without["energy"] == pytest.approx(expected, abs=1e-9)
