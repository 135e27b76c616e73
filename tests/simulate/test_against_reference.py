"""What a potential trained on the bundled frames of ethanol says of its minimum and spectrum, beside GFN2-xTB, which labelled them."""

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import molecule
from ase.vibrations import Vibrations

import equishare
from equishare.simulate import EquishareCalculator
from equishare.simulate.relax import relax
from equishare.simulate.spectrum import along, spectrum
from equishare.simulate.vibrations import minimum, normal_modes

tblite = pytest.importorskip("tblite.ase")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A minute of training: it learns the dipole too."""
    run = equishare.train(
        "ethanol",
        test=0,
        report=False,
        epochs=25,
        model={"preset": "small", "heads": ["dipole"]},
        out=str(tmp_path_factory.mktemp("ethanol") / "run"),
    )
    return run.folder.model


@pytest.fixture(scope="module")
def reference():
    """The minimum by GFN2-xTB, with its calculator."""
    atoms = molecule("CH3CH2OH")
    atoms.calc = tblite.TBLite(method="GFN2-xTB", verbosity=0, accuracy=0.1)
    return relax(atoms, fmax=2e-3).atoms


def test_minimum(model, reference):
    found = minimum(molecule("CH3CH2OH"), EquishareCalculator(model, dtype=torch.float64))
    near = reference.get_all_distances() < 1.7
    assert np.abs(found.get_all_distances() - reference.get_all_distances())[near].max() < 0.01
    assert found.get_potential_energy() == pytest.approx(reference.get_potential_energy(), abs=0.02)


def test_vibrations(model, reference, tmp_path):
    modes = normal_modes(minimum(molecule("CH3CH2OH"), EquishareCalculator(model, dtype=torch.float64)))
    by_differences = Vibrations(reference, name=str(tmp_path / "modes"), delta=0.005)
    by_differences.run()
    expected = np.sort(by_differences.get_frequencies().real)[6:]
    errors = np.abs(modes.wave_numbers[6:] - expected)
    assert errors.mean() < 20
    slope = np.zeros((3, len(reference), 3))
    for i, axis in np.ndindex(len(reference), 3):
        ends = []
        for sign in (1, -1):
            moved = Atoms(reference.numbers, reference.positions)
            moved.calc = reference.calc
            moved.positions[i, axis] += sign * 0.005
            ends.append(moved.get_dipole_moment())
        slope[:, i, axis] = (ends[0] - ends[1]) / 0.01
    # of both methods along our modes, so that modes of nearly one frequency do not count as swapped
    along_modes = modes.displacements / np.sqrt(reference.get_masses())[:, None]
    change = np.einsum("aib,kib->ka", slope, along_modes)
    ratio = np.square(change).sum(axis=1)[6:]
    ours = modes.intensities[6:]
    assert np.corrcoef(ours, ratio)[0, 1] > 0.9


def test_spectrum(model, reference):
    """The infrared spectrum of one trajectory, from the learnt dipoles and from GFN2-xTB's."""
    from ase.md.velocitydistribution import Stationary, thermalize_momenta
    from ase.md.verlet import VelocityVerlet

    calculator = EquishareCalculator(model)
    atoms = Atoms(reference.numbers, reference.positions)
    atoms.calc = calculator
    thermalize_momenta(atoms, temperature_K=600, rng=np.random.default_rng(0))
    Stationary(atoms)
    run, frames = VelocityVerlet(atoms, 0.5 * units.fs), []
    run.attach(lambda: frames.append(Atoms(atoms.numbers, atoms.positions)), interval=4)
    run.run(4000)
    learnt = spectrum(along(frames, calculator), 2.0, 300.0, width=30.0)
    for frame in frames:
        frame.calc = reference.calc
    dipoles = np.array([frame.get_dipole_moment() for frame in frames])
    expected = spectrum({"dipole": dipoles}, 2.0, 300.0, width=30.0)
    seen = expected.wave_numbers < 4000
    overlap = learnt.infrared[seen] @ expected.infrared[seen]
    overlap /= np.linalg.norm(learnt.infrared[seen]) * np.linalg.norm(expected.infrared[seen])
    assert overlap > 0.9
