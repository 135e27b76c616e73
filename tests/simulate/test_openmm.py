"""OpenMM: ASE's numbers, whole systems and mixed ones."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from equishare.potential import ModelConfig, Potential, Statistics, save
from equishare.simulate import EquishareCalculator

openmm = pytest.importorskip("openmm")
openmmml = pytest.importorskip("openmmml")

from equishare.simulate.openmm import KJ_MOL, EquishareFactory, OpenMMError, openmm_force  # noqa: E402

unit, app = openmm.unit, openmm.app


@pytest.fixture(scope="module", autouse=True)
def _registered():
    """As the entry point does where this version of the package is installed."""
    openmmml.MLPotential.registerImplFactory("equishare", EquishareFactory())


def test_the_entry_point():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["openmmml.potentials"]["equishare"].partition(":")
    assert getattr(importlib.import_module(module), name) is EquishareFactory


@pytest.mark.parametrize("first", ["equishare.simulate.openmm", "equishare.simulate.openmm_systems", "openmmml"])
def test_whichever_is_imported_first(first):
    """`openmmml` reads its entry points while it is being imported."""
    code = f"import {first}, openmmml; from equishare.simulate.openmm import EquishareFactory"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    config = ModelConfig(channels=4, l_density=2, l_features=1, n_basis=4, n_hidden=4, cutoff=3.0, repulsion="zbl")
    statistics = Statistics(
        reference_energies={"H": -13.6, "O": -430.0}, scale=1.5, min_distance={"H-O": 1.1, "H-H": 1.6}
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        target = tmp_path_factory.mktemp("openmm") / "model.safetensors"
        save(Potential(config, statistics).double(), target)
    return target


def state_of(system, positions, steps=0, box=None):
    integrator = openmm.VerletIntegrator(0.0001 * unit.picoseconds)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    if box is not None:
        context.setPeriodicBoxVectors(*(box * unit.angstrom))
    context.setPositions(positions * unit.angstrom)
    integrator.step(steps)
    return context.getState(energy=True, forces=True, positions=True, velocities=True)


def ev(state):
    energy = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole) * KJ_MOL
    forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.angstrom) * KJ_MOL
    return energy, forces


def waters(places, box=None):
    """A topology of water molecules, and their positions in Å."""
    topology, positions = app.Topology(), []
    chain = topology.addChain()
    for place in places:
        residue = topology.addResidue("HOH", chain)
        names = ("O", "H1", "H2")
        made = [topology.addAtom(name, app.Element.getBySymbol(name[0]), residue) for name in names]
        topology.addBond(made[0], made[1])
        topology.addBond(made[0], made[2])
        positions.append(molecule("H2O").positions + place)
    if box is not None:
        topology.setPeriodicBoxVectors(box * unit.angstrom)
    return topology, np.concatenate(positions)


@pytest.mark.parametrize("periodic", [False, True])
def test_the_numbers_of_ase(path, periodic):
    rng = np.random.default_rng(0)
    box = np.array([[6.0, 0, 0], [1.0, 6.5, 0], [0.5, -1.0, 7.0]])
    atoms = Atoms("OHHOHH", rng.uniform(0, 6, (6, 3)), cell=box if periodic else None, pbc=periodic)
    system = openmm.System()
    for mass in atoms.get_masses():
        system.addParticle(mass)
    system.addForce(openmm_force(EquishareCalculator(path), atoms.numbers, periodic=periodic))
    energy, forces = ev(state_of(system, atoms.positions, box=box if periodic else None))
    atoms.calc = EquishareCalculator(path)
    assert energy == pytest.approx(atoms.get_potential_energy(), rel=1e-9)
    np.testing.assert_allclose(forces, atoms.get_forces(), atol=1e-6)


def test_particles_that_a_system_has_not(path):
    """OpenMM itself reads beyond its memory there."""
    force = openmm_force(EquishareCalculator(path), [8, 1, 1], particles=[0, 1, 99_999])
    system = openmm.System()
    for _ in range(4):
        system.addParticle(1.0)
    system.addForce(force)
    with pytest.raises(openmm.OpenMMException, match="acts on particle 99999, and the system has 4"):
        state_of(system, np.arange(12.0).reshape(4, 3))
    topology, _ = waters([[0, 0, 0]])
    impl = EquishareFactory().createImpl("equishare", modelPath=path)
    with pytest.raises(OpenMMError, match=r"from 0 to 2, got \[3\]"):
        impl.addForces(topology, system, [0, 1, 3], 0)


def test_chosen_particles_in_any_order(path):
    atoms = molecule("H2O")
    positions = np.concatenate([[[9.0, 9.0, 9.0]], atoms.positions[[2, 0, 1]]])
    system = openmm.System()
    for _ in range(4):
        system.addParticle(1.0)
    system.addForce(openmm_force(EquishareCalculator(path), [8, 1, 1], particles=[2, 3, 1]))
    energy, forces = ev(state_of(system, positions))
    atoms.calc = EquishareCalculator(path)
    assert energy == pytest.approx(atoms.get_potential_energy(), rel=1e-9)
    np.testing.assert_allclose(forces[[2, 3, 1]], atoms.get_forces(), atol=1e-6)
    assert not forces[0].any()


def test_energy_is_conserved(path):
    topology, positions = waters([[0, 0, 0]])
    system = openmmml.MLPotential("equishare", modelPath=path).createSystem(topology)
    totals = []
    for steps in (0, 100):
        state = state_of(system, positions, steps)
        totals.append(
            (state.getPotentialEnergy() + state.getKineticEnergy()).value_in_unit(unit.kilojoule_per_mole) * KJ_MOL
        )
    assert state.getKineticEnergy().value_in_unit(unit.kilojoule_per_mole) * KJ_MOL > 0.01
    assert totals[1] == pytest.approx(totals[0], abs=2e-3)


def test_a_molecule_in_a_box_of_rigid_water(path):
    """Only the first molecule's own energy is the potential's: the mixed system differs from the classical one by that."""
    places = 3.1 * np.stack(np.meshgrid(*[np.arange(4)] * 3), axis=-1).reshape(-1, 3)
    box = np.eye(3) * 12.4
    topology, positions = waters(places + 1.0, box)
    field = app.ForceField("amber14/tip3p.xml")
    options = {"nonbondedMethod": app.PME, "nonbondedCutoff": 0.6 * unit.nanometer}
    classical = field.createSystem(topology, constraints=None, rigidWater=True, **options)
    mixed = openmmml.MLPotential("equishare", modelPath=path).createMixedSystem(topology, classical, [0, 1, 2])
    assert mixed.getNumConstraints() == classical.getNumConstraints() - 3
    whole, forces = ev(state_of(mixed, positions, box=box))
    without = openmm.XmlSerializer.clone(classical)
    reference, _ = ev(state_of(without, positions, box=box))
    alone = molecule("H2O")
    expected = EquishareCalculator(path).get_property("energy", alone)
    # rigid water has no energy of its own inside
    assert whole - reference == pytest.approx(expected, abs=1e-4)
    assert np.isfinite(forces).all()


def test_a_factory_without_a_file():
    with pytest.raises(OpenMMError, match="name the model file"):
        openmmml.MLPotential("equishare")


def test_particles_and_atomic_numbers_go_together(path):
    calculator, water = EquishareCalculator(path), molecule("H2O")
    for wrong in ([0, 1], [0, 1, 1], [-1, 0, 1]):
        with pytest.raises(OpenMMError, match="for each of 3 atomic numbers, none twice"):
            openmm_force(calculator, water.numbers, particles=wrong)
    system = openmm.System()
    for mass in water.get_masses():
        system.addParticle(mass)
    system.addForce(openmm_force(calculator, [8, 1]))
    with pytest.raises(openmm.OpenMMException, match="has 2 atomic numbers, and acts on 3 particles"):
        state_of(system, water.positions)
