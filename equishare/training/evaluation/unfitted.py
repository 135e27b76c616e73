"""Kinds of training frames that a fit leaves out: a bias or an error far above that of the others."""

from __future__ import annotations

import numpy as np

from equishare.training.evaluation.evaluate import Evaluation, FramePrediction

FEWEST = 3
"""Frames of a kind that say something of it."""
_FACTOR_ENERGY, _FACTOR_FORCES = 2.5, 2.0
_MOSTLY = 0.7


def unfitted(evaluation: Evaluation) -> list[str]:
    """A sentence for each kind of frame, by ``config_type``, whose training labels are not fitted.

    Energies an atom of a kind count as not fitted where their RMS error is over 2.5 times that of all other frames, or where it is mostly the
    same error in every frame and another one than that of the others: a mean of over 0.7 of it, which is, and differs from theirs, by more than
    the scatter of the errors about the means of their kinds. Forces: where their RMS error is larger than that of all other frames, and in units of the labels' RMS over twice as large.
    """
    kinds: dict[str, list[FramePrediction]] = {}
    for frame in evaluation.frames:
        kinds.setdefault(frame.config_type or "(none)", []).append(frame)
    if len(kinds) < 2:
        return []
    sentences = []
    energies = {name: _energy_errors(frames) for name, frames in kinds.items()}
    known = [values - values.mean() for values in energies.values() if len(values)]
    scatter = float(np.sqrt(np.mean(np.concatenate(known) ** 2))) if known else 0.0
    for name, values in energies.items():
        others = np.concatenate([v for other, v in energies.items() if other != name])
        if len(values) < FEWEST or not len(others):
            continue
        mean, rmse, rest = float(values.mean()), _rms(values), _rms(others)
        apart = min(abs(mean), abs(mean - float(others.mean())))
        if rmse > _FACTOR_ENERGY * rest or (abs(mean) > _MOSTLY * rmse and apart > scatter):
            sentences.append(
                f"training frames of config_type {name}: energies are off by {1000 * mean:+.3g} meV/atom on average (RMSE {1000 * rmse:.3g}; "
                f"all others {1000 * rest:.3g}). A longer run or a larger weight may fit them: --weights {name}=5"
            )
    return sentences + _forces(kinds)


def _forces(kinds: dict[str, list[FramePrediction]]) -> list[str]:
    sums = {name: _force_sums(frames) for name, frames in kinds.items()}
    sentences = []
    for name, own in sums.items():
        rest = np.sum([value for other, value in sums.items() if other != name], axis=0)
        if own[3] < FEWEST or not own[1] or not (rest[:3] > 0).all():
            continue
        relative, usual = np.sqrt(own[0] / own[1]), np.sqrt(rest[0] / rest[1])
        if relative > _FACTOR_FORCES * usual and own[0] / own[2] > rest[0] / rest[2]:
            sentences.append(
                f"training frames of config_type {name}: the error of forces is {100 * relative:.3g} % of their RMS (all others "
                f"{100 * usual:.3g} %). A longer run or a larger weight may fit them: --weights {name}=5"
            )
    return sentences


def _energy_errors(frames: list[FramePrediction]) -> np.ndarray:
    values = np.array([frame.energy_error / len(frame.numbers) for frame in frames])
    return values[np.isfinite(values)]


def _force_sums(frames: list[FramePrediction]) -> np.ndarray:
    """Sums of squared errors and of squared labels, their number, and the number of frames that have some."""
    total = np.zeros(4)
    for frame in frames:
        if frame.has("forces"):
            label = np.asarray(frame.labels["forces"], dtype=np.float64)
            error = frame.predicted["forces"] - label
            total += np.nansum(error**2), np.nansum(label**2), np.isfinite(label).sum(), 1
    return total


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))
