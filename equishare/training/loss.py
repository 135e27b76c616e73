"""The loss: weighted squared errors of every property that is predicted and labelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from equishare.atoms.properties import PROPERTIES, Property, outputs
from equishare.potential import AtomGraph, Prediction
from equishare.training.config import OptimisationConfig
from equishare.training.evaluation.evaluate import Evaluation, FramePrediction


@dataclass(frozen=True, eq=False)
class Structures:
    """What the errors of structures are measured by.

    Attributes:
        size: Number of atoms to the power of `OptimisationConfig.size_exponent`.
        volume: In Å^3.
        atom_batch: Structure of each atom.
        weight: Of each structure; None: all one.
        total: Sums a number of labels over the processes that each have a part of the structures; None: there are no others.
    """

    size: Float[Tensor, " graphs"]
    volume: Float[Tensor, " graphs"]
    atom_batch: Int[Tensor, " atoms"]
    weight: Float[Tensor, " graphs"] | None = None
    total: Callable[[Tensor], Tensor] | None = None


def batch_loss(
    prediction: Prediction,
    graph: AtomGraph,
    options: OptimisationConfig,
    scale: float,
    total: Callable[[Tensor], Tensor] | None = None,
) -> Float[Tensor, ""]:
    r"""Weighted squared errors of everything that is predicted and labelled.

    .. math:: L = \sum_p w_p \Big\langle w_f \Big( \frac{\Delta p}{u_p} \Big)^2 \Big\rangle, \qquad
              u_p = \sigma^{[\text{energy unit}]} \, N^{x [\text{extensive}]} \, V^{-[\text{times volume}]}

    over the properties p of the table with their weights and flags (energy: N^x σ; forces: σ; stress: N^x σ / V; dipole: N^x); N atoms and
    the volume V of a structure, w_f the weight of a frame, σ the forces' RMS, x the size exponent. Means are over labelled components.
    Total energies are subtracted in float64: what remains of them is the error of the interaction energy.

    Args:
        prediction: Of the potential.
        graph: The batch with its labels; NaN, or no field: not labelled.
        options: Weights and exponent.
        scale: σ, a number in eV and Å.
        total: Sums over the processes that each have a part of the batch: with it, the losses of the parts sum to that of the whole.
    """
    size = (graph.ptr[1:] - graph.ptr[:-1]).to(prediction.interaction_energy.dtype) ** options.size_exponent
    volume = torch.linalg.det(graph.cell).abs().to(size.dtype)
    structures = Structures(size, volume, graph.atom_batch, graph.get("weight"), total)
    return _total(_pairs(prediction.get, graph.get), structures, options, scale)


def evaluation_loss(evaluation: Evaluation, options: OptimisationConfig, scale: float) -> float:
    """The loss of `batch_loss` over the frames of an evaluation as one batch: what the best model is chosen by."""
    frames = evaluation.frames
    counts = torch.tensor([len(frame.numbers) for frame in frames])
    structures = Structures(
        size=counts.double() ** options.size_exponent,
        volume=torch.tensor([frame.volume for frame in frames], dtype=torch.float64),
        atom_batch=torch.repeat_interleave(torch.arange(len(frames)), counts),
        weight=torch.tensor([frame.weight for frame in frames], dtype=torch.float64),
    )

    def joined(part: str) -> Callable[[str], Tensor | None]:
        return lambda name: _joined(frames, part, name)

    return float(_total(_pairs(joined("predicted"), joined("labels")), structures, options, scale))


def _pairs(predicted: Callable[[str], Any], label: Callable[[str], Any]) -> Iterator[tuple[Property, Tensor, Tensor]]:
    """Properties that are predicted and labelled."""
    for row in outputs():
        value, known = predicted(row.name), label(row.name)
        if value is not None and known is not None:
            yield row, value, known


def _total(
    pairs: Iterator[tuple[Property, Tensor, Tensor]], structures: Structures, options: OptimisationConfig, scale: float
) -> Tensor:
    total = structures.size.new_zeros(())
    for row, predicted, label in pairs:
        unit: float | Tensor = structures.size if row.extensive else 1.0
        unit = unit * scale if row.energy_unit else unit
        unit = unit / structures.volume.clamp(min=1e-30) if row.times_volume else unit
        of_atoms = structures.atom_batch if row.per_atom else None
        if isinstance(unit, Tensor):
            unit = _spread(unit, of_atoms, label.ndim)
        weight = None if structures.weight is None else _spread(structures.weight, of_atoms, label.ndim)
        total = total + options.weight(row.name) * mean_square(predicted, label, unit, weight, structures.total)
    return total


def _spread(value: Tensor, of_atoms: Tensor | None, ndim: int) -> Tensor:
    """A value of each structure, in the shape of a property's labels."""
    value = value if of_atoms is None else value.index_select(0, of_atoms)
    return value.reshape(-1, *[1] * (ndim - 1))


def mean_square(
    predicted: Tensor,
    label: Tensor,
    unit: float | Tensor = 1.0,
    weight: Tensor | None = None,
    total: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Mean of the squared errors of what is labelled (NaN: not labelled), in a unit; zero if nothing is.

    >>> mean_square(torch.tensor([1.0, 5.0, 3.0]), torch.tensor([0.0, torch.nan, 0.0]))
    tensor(5.)
    """
    labelled = ~torch.isnan(label)
    square = (torch.where(labelled, predicted - label, 0.0) / unit).square()
    square = square if weight is None else weight * square
    count = labelled.sum()
    count = count if total is None else total(count)
    return square.sum() / count.clamp(min=1)


def _joined(frames: tuple[FramePrediction, ...], part: str, name: str) -> Tensor | None:
    """A property of all frames in one tensor; None where some frame does not have it."""
    values = [getattr(frame, part).get(name) for frame in frames]
    if any(value is None for value in values):
        return None
    arrays = [np.asarray(value, dtype=np.float64) for value in values]
    return torch.from_numpy(np.concatenate(arrays) if PROPERTIES[name].per_atom else np.stack(arrays))
