"""The loss of a batch."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from equishare.potential import AtomGraph, Prediction
from equishare.training.config import OptimisationConfig
from equishare.training.evaluation.evaluate import Evaluation


def mean_square(predicted: Tensor, label: Tensor, unit: float | Tensor = 1.0) -> Tensor:
    """Mean of the squared errors of what is labelled (NaN: not labelled), in a unit; zero if nothing is.

    >>> mean_square(torch.tensor([1.0, 5.0, 3.0]), torch.tensor([0.0, torch.nan, 0.0]))
    tensor(5.)
    """
    labelled = ~torch.isnan(label)
    error = torch.where(labelled, predicted - label, 0.0) / unit
    return error.square().sum() / labelled.sum().clamp(min=1)


def batch_loss(
    prediction: Prediction, graph: AtomGraph, weights: OptimisationConfig, scale: float
) -> Float[Tensor, ""]:
    r"""Weighted squared errors of everything that was predicted and is labelled.

    .. math:: L = w_E \Big\langle \Big( \frac{\Delta E}{N^p \sigma} \Big)^2 \Big\rangle_\text{structures}
              + w_F \Big\langle \Big( \frac{\Delta F}{\sigma} \Big)^2 \Big\rangle_\text{components}
              + w_S \Big\langle \Big( \frac{V \Delta S}{N^p \sigma} \Big)^2 \Big\rangle
              + w_D \Big\langle \Big( \frac{\Delta D}{N^p} \Big)^2 \Big\rangle

    with N atoms in a structure, V its volume and σ the forces' RMS. Total energies are subtracted in float64: what remains
    of them is the error of the interaction energy.

    Args:
        prediction: Of the potential.
        graph: The batch with its labels; NaN: not labelled.
        weights: w_E, w_F, w_S, w_D and p.
        scale: σ, a number in eV and Å.
    """
    size = (graph.ptr[1:] - graph.ptr[:-1]).to(prediction.interaction_energy.dtype) ** weights.size_exponent
    loss = weights.energy_weight * mean_square(prediction.energy, graph.energy, size * scale)
    if prediction.forces is not None:
        loss = loss + weights.forces_weight * mean_square(prediction.forces, graph.forces, scale)
    if prediction.stress is not None:
        volume = torch.linalg.det(graph.cell).abs()
        unit = (size * scale / volume.clamp(min=1e-30))[:, None, None]
        loss = loss + weights.stress_weight * mean_square(prediction.stress, graph.stress, unit)
    if prediction.dipole is not None:
        loss = loss + weights.dipole_weight * mean_square(prediction.dipole, graph.dipole, size[:, None])
    return loss


def evaluation_loss(evaluation: Evaluation, weights: OptimisationConfig, scale: float) -> float:
    """The loss of `batch_loss` over the frames of an evaluation as one batch: what the best model is chosen by."""
    frames = evaluation.frames
    size = np.array([len(frame.numbers) for frame in frames]) ** weights.size_exponent
    energy = np.array([frame.energy_error for frame in frames]) / (size * scale)
    labelled = ~np.isnan([frame.energy_label for frame in frames])
    loss = weights.energy_weight * float(np.mean(energy[labelled] ** 2)) if labelled.any() else 0.0
    if evaluation.forces_rmse is not None:
        loss += weights.forces_weight * (evaluation.forces_rmse / scale) ** 2
    if evaluation.stress_rmse is not None:
        loss += weights.stress_weight * _mean_square(
            [
                (frame.stress - frame.stress_label) * frame.volume / (n * scale)
                for frame, n in zip(frames, size, strict=True)
                if frame.stress is not None and not np.isnan(frame.stress_label).any()
            ]
        )
    if evaluation.dipole_rmse is not None:
        loss += weights.dipole_weight * _mean_square(
            [
                (frame.dipole - frame.dipole_label) / n
                for frame, n in zip(frames, size, strict=True)
                if frame.dipole is not None and not np.isnan(frame.dipole_label).any()
            ]
        )
    return loss


def _mean_square(errors: Sequence[np.ndarray]) -> float:
    return float(np.mean(np.square(errors)))
