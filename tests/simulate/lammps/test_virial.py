"""The virial of all atoms and of each, against finite differences."""

import numpy as np
import pytest

from equishare.simulate import EquishareCalculator
from tests.simulate.lammps.conftest import BAR, script

STEP = 2e-5
COMPUTES = """
compute c all centroid/stress/atom NULL virial
compute t all stress/atom NULL virial
thermo_style custom step pe pxx pyy pzz pyz pxz pxy vol
run 0
"""
# LAMMPS's order of a centroid's nine components
COMPONENTS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2), (1, 0), (2, 0), (2, 1))


def virials(atoms, model, engine, folder):
    """W_i = sum_j (r_i - r_j) (-dE_j/dr_i) of LAMMPS, in eV, and its symmetric part as `stress/atom` has it."""
    lammps = engine(script(atoms, folder, model) + COMPUTES)
    order = np.argsort(lammps.numpy.extract_atom("id")[: len(atoms)])
    nine = -lammps.numpy.extract_compute("c", 1, 2)[order] / BAR
    found = np.zeros((len(atoms), 3, 3))
    for k, (a, b) in enumerate(COMPONENTS):
        found[:, a, b] = nine[:, k]
    six = -lammps.numpy.extract_compute("t", 1, 2)[order] / BAR
    return found, six


@pytest.mark.parametrize("name", ["water", "liquid"])
def test_virial_of_each_atom(name, structures, model, engine, tmp_path):
    """By moving atom i and looking at all atoms' energies: what the heat flux needs."""
    atoms = structures[name].copy()
    if name == "liquid":
        # the nearest image of j is the one that i feels, if any: twice the cutoff is less than half of the cell
        atoms = atoms[:9]
        atoms.set_cell([12.0, 12.0, 12.0])
    found, six = virials(atoms, model, engine, tmp_path)
    calculator = EquishareCalculator(model)
    for i in (0, 1, len(atoms) - 1):
        slopes = np.zeros((len(atoms), 3))
        for axis in range(3):
            moved = []
            for sign in (1, -1):
                copy = atoms.copy()
                copy.positions[i, axis] += sign * STEP
                moved.append(calculator.get_property("energies", copy))
            slopes[:, axis] = (moved[0] - moved[1]) / (2 * STEP)
        away = -atoms.get_distances(i, range(len(atoms)), mic=atoms.pbc.any(), vector=True)
        np.testing.assert_allclose(found[i], -np.einsum("ja,jb->ab", away, slopes), atol=1e-6)
    symmetric = (found + found.transpose(0, 2, 1)) / 2
    np.testing.assert_allclose(six, [[w[a, b] for a, b in COMPONENTS[:6]] for w in symmetric], atol=1e-9)


@pytest.mark.parametrize("name", ["slab", "triclinic", "tiny", "liquid"])
def test_virials_of_atoms_sum_to_the_derivative_by_strain(name, structures, model, engine, tmp_path):
    atoms = structures[name]
    found, _ = virials(atoms, model, engine, tmp_path)
    calculator = EquishareCalculator(model)
    slope = np.zeros((3, 3))
    for a in range(3):
        for b in range(3):
            energies = []
            for sign in (1, -1):
                strain = np.eye(3)
                strain[a, b] += sign * STEP
                strained = atoms.copy()
                strained.set_cell(atoms.cell.array @ strain, scale_atoms=False)
                strained.positions = atoms.positions @ strain
                energies.append(calculator.get_property("energy", strained))
            slope[a, b] = (energies[0] - energies[1]) / (2 * STEP)
    np.testing.assert_allclose(-found.sum(axis=0), slope, atol=2e-5)


def test_heat_flux_moves_the_energy(structures, model, engine, tmp_path):
    """d/dt sum_i r_i e_i of atoms in no box is `compute heat/flux`: of the potential's part here, by finite differences."""
    atoms = structures["water"].copy()
    velocities = 0.1 * np.random.default_rng(5).standard_normal((len(atoms), 3))
    calculator = EquishareCalculator(model)
    moments = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions += sign * STEP * velocities
        moments.append(calculator.get_property("energies", moved) @ moved.positions)
    forces = calculator.get_property("forces", atoms)
    power = np.einsum("ia,ia->i", forces, velocities)  # what the kinetic energies gain
    energies = calculator.get_property("energies", atoms)
    expected = (moments[0] - moments[1]) / (2 * STEP) + power @ atoms.positions
    found, _ = virials(atoms, model, engine, tmp_path)
    flux = energies @ velocities + np.einsum("iab,ib->a", found, velocities)
    np.testing.assert_allclose(flux, expected, atol=1e-6)
