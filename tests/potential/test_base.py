"""A potential that adds to GFN2-xTB: the sum, its derivatives, and where it cannot be."""

import importlib.util

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from equishare.potential import Potential, hessian, load, save
from equishare.potential import base as cheap
from equishare.potential.base import BaseError, xtb
from equishare.potential.export import ExportError, exported_program
from equishare.potential.given import conditioned_graph
from equishare.simulate.ase_calculator import EquishareCalculator
from equishare.simulate.lammps.errors import LAMMPSError
from equishare.simulate.lammps.potential import DomainPotential

pytest.importorskip("tblite")


@pytest.fixture(scope="module")
def potential(make_potential):
    return make_potential(base="xtb", conditions=("charge",))


@pytest.fixture(scope="module")
def network(make_potential):
    """The same without the cheap method."""
    return make_potential(conditions=("charge",))


@pytest.fixture
def dry_ice():
    """Two molecules in a small cell with no right angle."""
    cell = np.array([[5.1, 0.2, 0.0], [0.3, 5.3, -0.2], [0.1, 0.2, 5.0]])
    centres = np.array([[0.1, 0.1, 0.1], [0.6, 0.6, 0.5]]) @ cell
    first = centres[0] + np.array([[0, 0, 0], [0.3, 0.2, 1.1], [-0.2, -0.2, -1.15]])
    second = centres[1] + np.array([[0, 0, 0], [1.1, 0.3, 0.2], [-1.15, -0.2, -0.3]])
    return Atoms("COOCOO", np.concatenate([first, second]), cell=cell, pbc=True)


def tblite_of(atoms, charge=0):
    from tblite.ase import TBLite

    image = atoms.copy()
    image.calc = TBLite(method="GFN2-xTB", charge=charge, verbosity=0)
    return image


@pytest.mark.parametrize("charge", [0, -1])
def test_it_is_the_network_and_xtb_together(potential, network, ethanol, charge):
    ethanol.info["charge"] = charge
    (whole,), (part,) = potential.predict([ethanol]), network.predict([ethanol])
    by_xtb = tblite_of(ethanol, charge)
    atoms = sum(tblite_of(Atoms(symbol)).get_potential_energy() for symbol in ethanol.symbols)
    assert whole["energy"] - part["energy"] == pytest.approx(by_xtb.get_potential_energy() - atoms, abs=1e-5)
    assert whole["energies"].sum() == pytest.approx(whole["energy"], abs=1e-8)
    assert np.allclose(whole["forces"] - part["forces"], by_xtb.get_forces(), atol=2e-3)  # tblite's default accuracy


def test_a_lone_atom_has_its_e0(potential):
    (found,) = potential.predict([Atoms("O")])
    assert found["energy"] == pytest.approx(-2041.3, abs=1e-9)
    assert not found["forces"].any()


def test_stress_is_the_derivative_by_strain(potential, dry_ice):
    (found,) = potential.predict([dry_ice], stress=True)
    energies = []
    for step in (4e-3, -4e-3):
        strained = dry_ice.copy()
        strain = np.eye(3)
        strain[0, 1] = strain[1, 0] = step
        strained.set_cell(dry_ice.cell.array @ strain, scale_atoms=True)
        energies.append(potential.predict([strained])[0]["energy"])
    slope = (energies[0] - energies[1]) / 16e-3 / dry_ice.get_volume()
    assert found["stress"][0, 1] == pytest.approx(slope, rel=0.002)  # tblite's sums over images are not quite smooth
    assert abs(slope) > 1e-4


def test_a_batch_is_each_of_them(potential, ethanol, dry_ice):
    frames = [ethanol, dry_ice, Atoms("O"), molecule("CH4")]
    for atoms, found in zip(frames, potential.predict(frames, batch_size=4), strict=True):
        (alone,) = potential.predict([atoms])
        assert found["energy"] == pytest.approx(alone["energy"], abs=1e-8)
        assert np.allclose(found["forces"], alone["forces"], atol=1e-8)


@pytest.mark.parametrize("name", ["molecule", "crystal"])
def test_the_calculator_gives_the_same(potential, ethanol, dry_ice, name):
    atoms = {"molecule": ethanol, "crystal": dry_ice}[name]
    atoms.info["charge"] = 0
    (expected,) = potential.predict([atoms], stress=True)
    atoms.calc = EquishareCalculator(potential)
    assert atoms.get_potential_energy() == pytest.approx(expected["energy"], abs=1e-8)
    assert np.allclose(atoms.get_forces(), expected["forces"], atol=1e-8)
    if name == "crystal":
        assert np.allclose(atoms.get_stress(voigt=False), expected["stress"], atol=1e-9)


def test_second_derivatives_are_those_of_the_forces(potential):
    water = molecule("H2O")
    matrix = hessian(potential, conditioned_graph(water, potential.config)).numpy()
    forces = []
    for step in (1e-3, -1e-3):
        moved = water.copy()
        moved.positions[0, 1] += step
        forces.append(potential.predict([moved])[0]["forces"].ravel())
    assert np.allclose((forces[1] - forces[0]) / 2e-3, matrix[1], rtol=1e-3, atol=0.02)
    assert np.abs(matrix[1]).max() > 1.0


def test_a_box_around_a_molecule_changes_nothing(potential, ethanol):
    boxed = ethanol.copy()
    boxed.center(vacuum=1.0)
    (free,), (found,) = potential.predict([ethanol]), potential.predict([boxed])
    assert found["energy"] == pytest.approx(free["energy"], abs=1e-8)


def test_slabs_are_refused(potential, dry_ice):
    dry_ice.pbc = [True, True, False]
    with pytest.raises(BaseError, match="some axes only"):
        potential.predict([dry_ice])


def test_what_xtb_does_not_know_says_so():
    with pytest.raises(BaseError, match="2 atoms and charge 0"):
        xtb(np.array([8, 95]), np.array([[0, 0, 0], [0, 0, 2.0]]))


def test_without_tblite(potential, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(cheap.importlib.util, "find_spec", lambda name: None if name == "tblite" else found(name))
    with pytest.raises(BaseError, match=r"pip install 'equishare\[xtb\]'"):
        Potential(potential.config, potential.statistics)


def test_a_model_file_says_it(potential, ethanol, tmp_path):
    save(potential, tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert again.config.base == "xtb"
    assert again.predict([ethanol])[0]["energy"] == pytest.approx(potential.predict([ethanol])[0]["energy"], abs=1e-10)


def test_what_sees_only_edges_refuses_it(potential, tmp_path):
    save(potential, tmp_path / "model.safetensors")
    with pytest.raises(LAMMPSError, match=r"adds to GFN2-xTB.*equishare md"):
        DomainPotential(tmp_path / "model.safetensors", ["H", "C"])
    with pytest.raises(ExportError, match="adds to a cheap method"):
        exported_program(potential)


def test_training_computes_it_once(potential, ethanol, monkeypatch):
    graph = cheap.carrying(conditioned_graph(ethanol, potential.config))
    expected = potential(conditioned_graph(ethanol, potential.config))
    monkeypatch.setattr(cheap, "xtb", None)
    found = potential(graph)
    # to rounding: the threads of tblite add in any order
    assert torch.allclose(found.energy, expected.energy, rtol=0, atol=1e-10)
    assert torch.allclose(found.forces, expected.forces, rtol=0, atol=1e-10)
