"""Infrared and Raman spectra from dynamics: all temperatures and anharmonicities that the trajectory has seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from jaxtyping import Float

from equishare.errors import EquishareError
from equishare.simulate.ase_calculator import EquishareCalculator


class SpectrumError(EquishareError):
    """There is no spectrum to be had of a trajectory."""


@dataclass(frozen=True)
class Spectrum:
    """Intensities over wave numbers.

    Attributes:
        wave_numbers: In 1/cm.
        infrared: In km/mol per 1/cm (its integral over a band is the band's intensity); None without a learnt dipole.
        raman: Unpolarised, in arbitrary units; None without a learnt polarizability.
    """

    wave_numbers: Float[np.ndarray, "points"]
    infrared: Float[np.ndarray, "points"] | None
    raman: Float[np.ndarray, "points"] | None


def along(frames: Sequence[Atoms], calculator: EquishareCalculator) -> dict[str, np.ndarray]:
    """What the model reads out along a trajectory: the dipole, the polarizability, as far as it has learnt them.

    Raises:
        SpectrumError: if it has learnt neither, or the frames are of several structures.
    """
    names = [name for name in ("dipole", "polarizability") if name in calculator.implemented_properties]
    if not names:
        raise SpectrumError(
            "a spectrum needs a model that reads out the dipole (infrared) or the polarizability (Raman): train with --learn dipole"
        )
    if any(not np.array_equal(frame.numbers, frames[0].numbers) for frame in frames):
        raise SpectrumError("a spectrum is that of one structure as it moves, and the atoms of these frames differ")
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for frame in frames:
        for name in names:
            found[name].append(np.array(calculator.get_property(name, frame)))
    return {name: np.array(values) for name, values in found.items()}


def spectrum(values: dict[str, np.ndarray], interval: float, temperature: float, width: float = 10.0) -> Spectrum:
    r"""From the autocorrelation of the time derivatives, damped so that lines get a width.

    .. math:: A(\tilde\nu) = \frac{N_A}{6 \varepsilon_0 c\, k_B T} \int \langle \dot\mu(\tau) \cdot \dot\mu(\tau + t) \rangle\, e^{-2 \pi i c \tilde\nu t}\, dt

    and for Raman the sum of 45 times the isotropic and 7 times the anisotropic part of the polarizability's. Classical nuclei.

    Args:
        values: Along a trajectory, see `along`: ``dipole [frames, 3]`` in e·Å, ``polarizability [frames, 3, 3]``.
        interval: Between two frames in fs; a third of the shortest period at most, a tenth is good.
        temperature: Of the run in K.
        width: Of a line at half height, in 1/cm.

    Raises:
        SpectrumError: for fewer than 16 frames.

    Thomas, Brehm, Fligg, Vöhringer and Kirchner, "Computing vibrational spectra from ab initio molecular dynamics" (2013).
    """
    n = min(len(series) for series in values.values())
    if n < 16:
        raise SpectrumError(f"expected a trajectory of 16 frames at least, got {n}")
    infrared = raman = None
    if "dipole" in values:
        # in m^2/mol, from (e Å)^2 / fs over eV; then km/mol per 1/cm
        prefactor = units._Nav * units._e / (6 * units._eps0 * units._c) * (1e-10 / 1e-15) ** 2 * 1e-15
        power, wave = _power(values["dipole"], interval, width)
        infrared = prefactor * 100 / 1000 / (units.kB * temperature) * power
    if "polarizability" in values:
        tensor = values["polarizability"].reshape(n, 3, 3)
        mean = np.trace(tensor, axis1=1, axis2=2)[:, None] / 3
        rest = (tensor - mean[:, :, None] * np.eye(3)).reshape(n, 9)
        iso, wave = _power(mean, interval, width)
        aniso, _ = _power(rest, interval, width)
        raman = 45 * iso + 7 * 1.5 * aniso
    return Spectrum(wave, infrared, raman)


def _power(series: np.ndarray, interval: float, width: float) -> tuple[np.ndarray, np.ndarray]:
    """(Fourier transform of the autocorrelation of the derivative, wave numbers in 1/cm)."""
    slope = np.gradient(series, interval, axis=0)
    n = len(slope)
    padded = np.fft.rfft(slope, 2 * n, axis=0)
    correlation = np.fft.irfft((np.abs(padded) ** 2).sum(axis=1), 2 * n)[:n] / np.arange(n, 0, -1)
    times = np.arange(n) * interval
    invcm = 100 * units._c * 1e-15  # 1/fs of a wave number of one
    # an exponential gives lines of Lorentz's shape and this width; the Hann window ends the noise of long times
    damped = correlation * np.exp(-np.pi * invcm * width * times) * (0.5 + 0.5 * np.cos(np.pi * times / times[-1]))
    both = np.concatenate([damped, damped[:0:-1]])
    power = np.fft.rfft(both).real * interval
    frequencies = np.fft.rfftfreq(len(both), interval)
    # what central differences take off; beyond this, the sampling says nothing
    phase = 2 * np.pi * frequencies * interval
    kept = phase < 2.0
    return power[kept] / np.sinc(phase[kept] / np.pi) ** 2, frequencies[kept] / invcm
