"""Spectra of oscillations that are known."""

import numpy as np
import pytest
from ase import units
from ase.build import molecule

from equishare.potential import ModelConfig, Potential
from equishare.simulate import EquishareCalculator
from equishare.simulate.spectrum import SpectrumError, along, spectrum
from equishare.simulate.vibrations import KM_MOL

FS_OF_INVCM = 1e15 / (100 * units._c)  # period in fs of a wave number of one
INTERVAL = 1.0


def oscillation(wave, amplitude, n=30000):
    return amplitude * np.cos(2 * np.pi * np.arange(n) * INTERVAL * wave / FS_OF_INVCM)


def test_a_band_has_the_intensity_of_its_mode():
    """A harmonic mode of mass u, whose dipole grows by e an Å, at 300 K: the integral is the harmonic formula's km/mol."""
    wave, temperature = 1700.0, 300.0
    # (d mu/dt)^2 = (d mu/dq)^2 k_B T / m on average
    omega = 2 * np.pi * wave / FS_OF_INVCM
    speed2 = units.kB * temperature * units.fs**2  # Å^2 / fs^2 of mass u
    amplitude = np.sqrt(2 * speed2) / omega
    dipole = np.zeros((30000, 3))
    dipole[:, 1] = oscillation(wave, amplitude)
    found = spectrum({"dipole": dipole}, INTERVAL, temperature, width=8.0)
    assert found.wave_numbers[np.argmax(found.infrared)] == pytest.approx(wave, abs=2)
    band = np.abs(found.wave_numbers - wave) < 1000
    assert np.trapezoid(found.infrared[band], found.wave_numbers[band]) == pytest.approx(KM_MOL, rel=0.02)
    assert found.raman is None
    half = found.infrared > found.infrared.max() / 2
    assert np.ptp(found.wave_numbers[half]) == pytest.approx(8.0, abs=1.5)


def test_a_breathing_polarizability_is_raman_only_and_isotropic_counts_more():
    tensors = []
    for shape in (np.eye(3), np.diag([1.0, -1.0, 0.0])):
        tensors.append(oscillation(900.0, 0.1)[:, None, None] * shape / np.linalg.norm(shape))
    iso, aniso = (spectrum({"polarizability": tensor}, INTERVAL, 300.0) for tensor in tensors)
    assert iso.infrared is None
    assert iso.wave_numbers[np.argmax(iso.raman)] == pytest.approx(900, abs=2)
    # 45 a^2 with a the mean of the diagonal, 7 gamma^2 with gamma^2 = 3/2 of the squares
    assert iso.raman.max() / aniso.raman.max() == pytest.approx(45 / 3 / (7 * 1.5), rel=1e-3)


def test_what_has_no_spectrum():
    config = ModelConfig(channels=4, l_density=1, l_features=1, n_basis=4, n_hidden=4, cutoff=3.0)
    with pytest.raises(SpectrumError, match="--learn dipole"):
        along([molecule("H2O")], EquishareCalculator(Potential(config, {"H": 0.0, "O": 0.0})))
    with pytest.raises(SpectrumError, match="16 frames"):
        spectrum({"dipole": np.zeros((4, 3))}, 1.0, 300.0)
    reads = config.model_copy(update={"heads": ("dipole", "polarizability")})
    calculator = EquishareCalculator(Potential(reads, {"H": 0.0, "O": 0.0}))
    with pytest.raises(SpectrumError, match="the atoms of these frames differ"):
        along([molecule("H2O"), molecule("H2")], calculator)
    values = along([molecule("H2O")] * 2, calculator)
    assert {name: series.shape for name, series in values.items()} == {"dipole": (2, 3), "polarizability": (2, 3, 3)}
    assert np.array_equal(values["dipole"][0], calculator.get_property("dipole", molecule("H2O")))
