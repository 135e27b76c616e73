"""Whether a potential knows its errors: predicted uncertainties against what they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from equishare.atoms.properties import Property, outputs
from equishare.training.evaluation.evaluate import Evaluation, FramePrediction

MOST_BINS = 10
_PER_BIN = 10


@dataclass(frozen=True, eq=False)
class Calibration:
    """Uncertainties of one quantity, in bins of equal count from the surest predictions to the least sure; eV or eV/Å.

    Attributes:
        predicted: RMS of the uncertainties in each bin.
        actual: RMS error in each bin.
        within_one: Part of all errors that is smaller than its uncertainty; 0.68 for a normal distribution.
        within_two: The same for twice the uncertainty; 0.95.
        correlation: Spearman's, of uncertainty and size of the error.
    """

    predicted: np.ndarray
    actual: np.ndarray
    within_one: float
    within_two: float
    correlation: float

    @classmethod
    def of(cls, error: np.ndarray, uncertainty: np.ndarray) -> Calibration:
        """Compare errors ``[samples, components]`` with the uncertainty ``[samples]`` of a component.

        >>> rng = np.random.default_rng(0)
        >>> spread = rng.uniform(0.1, 1.0, size=4000)
        >>> calibration = Calibration.of(spread[:, None] * rng.normal(size=(4000, 3)), spread)
        >>> round(calibration.within_one, 1), len(calibration.actual)
        (0.7, 10)
        """
        from scipy.stats import spearmanr  # a seventh of what a training imports, for one with a committee

        size = np.sqrt(np.mean(error**2, axis=1))
        bins = np.array_split(np.argsort(uncertainty, kind="stable"), min(MOST_BINS, max(1, len(size) // _PER_BIN)))
        ratio = np.abs(error) / np.maximum(uncertainty, 1e-300)[:, None]
        varied = len(size) > 2 and np.ptp(uncertainty) > 0 and np.ptp(size) > 0
        return cls(
            predicted=np.array([np.sqrt(np.mean(uncertainty[chosen] ** 2)) for chosen in bins]),
            actual=np.array([np.sqrt(np.mean(size[chosen] ** 2)) for chosen in bins]),
            within_one=float(np.mean(ratio < 1)),
            within_two=float(np.mean(ratio < 2)),
            correlation=float(spearmanr(uncertainty, size).statistic) if varied else float("nan"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "predicted_rms": self.predicted.tolist(),
            "actual_rms": self.actual.tolist(),
            "within_one_sigma": self.within_one,
            "within_two_sigma": self.within_two,
            "rank_correlation": None if np.isnan(self.correlation) else self.correlation,
        }


def calibrations(evaluation: Evaluation) -> dict[str, Calibration]:
    """By property, where there are labels and uncertainties: of the energy and of the forces."""
    found = {}
    for row in outputs():
        parts = [
            _pair(frame, row) for frame in evaluation.frames if row.name in frame.uncertainties and frame.has(row.name)
        ]
        pair = _labelled(parts)
        if pair is not None:
            found[row.name] = Calibration.of(*pair)
    return found


def _pair(frame: FramePrediction, row: Property) -> tuple[np.ndarray, np.ndarray]:
    """Errors, a row for each uncertainty, and the uncertainties."""
    spread = np.atleast_1d(np.asarray(frame.uncertainties[row.name], dtype=float))
    error = np.asarray(frame.predicted[row.name] - frame.labels[row.name], dtype=float)
    return error.reshape(len(spread), -1), spread


def _labelled(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray] | None:
    if not parts:
        return None
    error, spread = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    known = np.isfinite(error).all(axis=1) & np.isfinite(spread)
    return (error[known], spread[known]) if known.any() else None
