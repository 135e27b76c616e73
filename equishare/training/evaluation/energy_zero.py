"""Energies that are counted from another zero than the labels, as those of another method are."""

from __future__ import annotations

import numpy as np

from equishare.training.evaluation.evaluate import Evaluation

_LARGE = 1.0  # eV/atom: no potential is as far off on its own level
_LEFT = 0.1


def another_zero(evaluation: Evaluation) -> str | None:
    r"""A sentence where energies differ from their labels by little but a constant of each element: :math:`\sum_i c_{s_i}`, by least squares.

    That is the case where their RMS error is over 1 eV/atom, and below a tenth of it without the constants; None elsewhere, and where there are
    too few frames to tell.
    """
    frames = [frame for frame in evaluation.frames if np.isfinite(frame.energy_error)]
    if not frames:
        return None
    species = np.unique(np.concatenate([frame.numbers for frame in frames]))
    counts = np.array([[np.sum(frame.numbers == one) for one in species] for frame in frames], dtype=float)
    errors, sizes = np.array([f.energy_error for f in frames]), np.array([len(f.numbers) for f in frames], dtype=float)
    constants, _, rank, _ = np.linalg.lstsq(counts / sizes[:, None], errors / sizes, rcond=1e-8)
    rest = errors - counts @ constants
    off, left = _rms(errors / sizes), _rms(rest / sizes)
    if len(frames) <= rank or off < _LARGE or left > _LEFT * off:
        return None
    return (
        f"energies are off by {off:.3g} eV/atom, a constant of each element: the labels are of another method, or count energies from "
        f"something else. Without these constants, which training takes from the frames, the RMSE is {1000 * _rms(rest):.3g} meV, "
        f"{1000 * left:.3g} meV/atom"
    )


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))
