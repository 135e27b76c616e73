"""Vibrations, phonons and elastic constants against other ways to the same numbers."""

import numpy as np
import pytest
import torch
from ase import units
from ase.build import bulk, molecule
from ase.calculators.lj import LennardJones
from ase.constraints import FixAtoms, FixBondLength
from ase.phonons import Phonons
from ase.vibrations import Infrared, Vibrations

from equishare.potential import ModelConfig, Potential, Statistics
from equishare.simulate import EquishareCalculator
from equishare.simulate.relax import relax
from equishare.simulate.vibrations import (
    KM_MOL,
    Elasticity,
    VibrationError,
    elastic_constants,
    minimum,
    normal_modes,
    phonons,
)


@pytest.fixture(scope="module")
def water():
    """At the minimum of a potential of random weights with a dipole, which ZBL keeps from falling together."""
    config = ModelConfig(
        channels=4, l_density=2, l_features=1, n_basis=4, n_hidden=4, cutoff=3.0, heads=("dipole",), repulsion="zbl"
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        statistics = Statistics(
            reference_energies={"H": -13.6, "O": -430.0}, scale=2.0, min_distance={"H-O": 1.1, "H-H": 1.6}
        )
        calculator = EquishareCalculator(Potential(config, statistics).double())
    return minimum(molecule("H2O"), calculator)


def test_modes_are_those_of_finite_differences(water, tmp_path):
    modes = normal_modes(water)
    other = Infrared(water, name=str(tmp_path / "ir"), delta=1e-3)
    other.run()
    frequencies = other.get_frequencies()
    expected = frequencies.real - frequencies.imag
    np.testing.assert_allclose(np.sort(modes.wave_numbers)[-3:], np.sort(expected)[-3:], rtol=1e-4)
    # ASE's are (D/Å)^2 / u
    strongest = np.sort(other.intensities)[-1] * 42.2561
    assert np.sort(modes.intensities)[-1] == pytest.approx(strongest, rel=1e-3)
    assert modes.zero_point_energy == pytest.approx(0.5 * modes.wave_numbers[-3:].sum() * units.invcm, rel=0.02)


def test_atoms_that_are_held_do_not_vibrate(water, tmp_path):
    held = water.copy()
    held.calc = water.calc
    held.set_constraint(FixAtoms([1]))
    modes = normal_modes(held)
    other = Vibrations(held, indices=[0, 2], name=str(tmp_path / "vib"), delta=1e-3)
    other.run()
    frequencies = other.get_frequencies()
    np.testing.assert_allclose(modes.wave_numbers[-3:], frequencies.real[-3:], rtol=1e-4)
    assert modes.displacements.shape == (6, 3, 3)
    assert not modes.displacements[:, 1].any()


def test_constraints_without_vibrations(water, argon):
    held = water.copy()
    held.calc = water.calc
    for constraint, message in ((FixBondLength(0, 1), "FixBondLength"), (FixAtoms(range(3)), "hold every atom")):
        held.set_constraint(constraint)
        with pytest.raises(VibrationError, match=message):
            normal_modes(held)
    crystal = argon.copy()
    crystal.calc = argon.calc
    crystal.set_constraint(FixAtoms([0]))
    for compute in (lambda: phonons(crystal, (1, 1, 1)), lambda: elastic_constants(crystal)):
        with pytest.raises(VibrationError, match="remove the constraints"):
            compute()


def test_the_unit_of_intensities():
    """Which the literature gives as 42.2561 km/mol of (D/Å)^2 / u."""
    assert pytest.approx(42.2561 / units.Debye**2, rel=1e-5) == KM_MOL


def test_away_from_a_minimum(water):
    pulled = water.copy()
    pulled.calc = water.calc
    pulled.positions[0, 0] += 0.1
    with pytest.raises(VibrationError, match="relax the structure first"):
        normal_modes(pulled)
    with pytest.raises(VibrationError, match="those of a crystal"):
        phonons(water, (1, 1, 1))
    with pytest.raises(VibrationError, match="those of a crystal"):
        elastic_constants(water)


@pytest.fixture(scope="module")
def argon():
    atoms = bulk("Ar", "fcc", a=5.3)
    atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=6.5, smooth=True)
    return relax(atoms, cell=True, fmax=1e-6, smax=1e-8).atoms


@pytest.mark.parametrize("cubic", [False, True])
def test_phonon_bands(argon, tmp_path, cubic):
    """Of the primitive cell, and of the cubic one with its four atoms, which has twelve branches."""
    pytest.importorskip("phonopy")
    atoms, repeats = argon, (3, 3, 3)
    if cubic:
        atoms, repeats = bulk("Ar", "fcc", a=2 * argon.cell[0, 1], cubic=True), (2, 2, 2)
        atoms.calc = argon.calc
    bands = phonons(atoms, repeats, points=11, mesh=8)
    assert bands.labels[0] == ("G", "X")
    other = Phonons(atoms, atoms.calc, supercell=repeats, name=str(tmp_path / "phonon"), delta=0.01)
    other.run()
    other.read(acoustic=True)
    path = atoms.cell.bandpath()
    for (start, stop), wave in zip(bands.labels, bands.wave_numbers, strict=True):
        for name, found in ((start, wave[0]), (stop, wave[-1])):
            expected = other.band_structure([path.special_points[name]])[0] / units.invcm
            np.testing.assert_allclose(found, np.sort(expected), atol=0.3)
    assert np.sort(np.abs(bands.wave_numbers[0][0]))[:3].max() < 0.05  # sound
    wave, density = bands.density
    assert np.trapezoid(density, wave) == pytest.approx(3 * len(atoms), rel=0.05)


def test_the_path_is_that_of_the_lattice_that_a_relaxed_cell_nearly_has(argon):
    pytest.importorskip("phonopy")
    strained = argon.copy()
    strained.calc = argon.calc
    strained.set_cell(argon.cell.array @ (np.eye(3) + np.diag([1e-4, 0.0, -1e-4])), scale_atoms=True)
    labels = [phonons(atoms, (2, 2, 2), points=2, mesh=2).labels for atoms in (argon, strained)]
    assert labels[0] == labels[1]
    with pytest.raises(VibrationError, match="take a larger supercell"):
        phonons(argon, (1, 1, 1))


def test_elastic_constants_of_a_pair_potential(argon):
    """Cubic, Cauchy's relation between them, and the bulk modulus of the energy's curvature."""
    found = elastic_constants(argon)
    c = found.constants
    assert c[0, 0] == pytest.approx(c[1, 1], rel=1e-3)
    assert c[0, 1] == pytest.approx(c[3, 3], rel=5e-3)  # every atom is a centre of symmetry
    assert np.abs(c[:3, 3:]).max() < 1e-3 * c[0, 0]
    energies, volumes = [], []
    for scale in (0.996, 1.0, 1.004):
        other = argon.copy()
        other.set_cell(argon.cell * scale, scale_atoms=True)
        other.calc = argon.calc
        energies.append(other.get_potential_energy())
        volumes.append(other.get_volume())
    curvature = 2 * np.polyfit(volumes, energies, 2)[0]
    assert found.bulk == pytest.approx(volumes[1] * curvature / units.GPa, rel=0.02)


def test_means_over_directions():
    """Copper: Simmons and Wang's constants, and Hill's shear modulus of 47 GPa."""
    c = np.diag([168.4] * 3 + [75.4] * 3)
    c[:3, :3] += 121.4 * (1 - np.eye(3))
    found = Elasticity.of(c)
    assert found.bulk == pytest.approx((168.4 + 2 * 121.4) / 3)
    assert found.shear == pytest.approx(47.3, abs=0.5)
