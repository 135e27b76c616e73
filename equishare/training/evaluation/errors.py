"""Errors of predictions by property: mean absolute, root mean square, and the mean that is left (bias)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from equishare.atoms.properties import Property, outputs

__all__ = ["ErrorSet", "Errors", "Quantity", "quantities"]

MEASURES = ("mae", "rmse", "bias")
_ALWAYS = ("energy", "energy_per_atom", "forces")


@dataclass(frozen=True)
class Quantity:
    """What errors are given of: a property, or an energy divided by the number of atoms."""

    name: str
    row: Property
    divided: bool = False

    @property
    def title(self) -> str:
        """In words, without the unit.

        >>> [quantity.title for quantity in quantities()][:2]
        ['energy', 'energy an atom']
        """
        return f"{self.row.name} an atom" if self.divided else self.row.name

    @property
    def shown(self) -> tuple[str, float]:
        """Unit and factor in which tables print its errors."""
        unit, factor = self.row.shown or (self.row.unit, 1.0)
        return (f"{unit}/atom" if self.divided else unit), factor

    def metric(self, measure: str) -> str:
        """Name of an error in files.

        >>> [quantity.metric("mae") for quantity in quantities()][:2]
        ['energy_mae', 'energy_mae_per_atom']
        """
        return f"{self.row.name}_{measure}{'_per_atom' * self.divided}"


def quantities() -> Iterator[Quantity]:
    """All of them, in the table's order; energies that grow with the structure also an atom."""
    for row in outputs():
        yield Quantity(row.name, row)
        if row.energy_unit and row.extensive and not row.times_volume:
            yield Quantity(f"{row.name}_per_atom", row, divided=True)


@dataclass(frozen=True)
class Errors:
    """Errors of one quantity over a set of frames, in the unit of the table; of vectors and matrices those of components.

    Attributes:
        mae: Mean absolute error.
        rmse: Root mean square error.
        bias: Mean of predicted minus labelled; of a symmetric matrix that of its diagonal.
        label_rms: Root mean square of the labels.
        count: Number of labelled components.
    """

    mae: float
    rmse: float
    bias: float
    label_rms: float
    count: int

    @classmethod
    def of(cls, predicted: np.ndarray, label: np.ndarray) -> Errors | None:
        """Errors where there are labels (NaN: none; a prediction that is NaN stays NaN); None where there are none at all.

        >>> Errors.of(np.array([1.0, 5.0, 2.0]), np.array([0.0, np.nan, 3.0]))
        Errors(mae=1.0, rmse=1.0, bias=0.0, label_rms=2.1213203435596424, count=2)
        """
        known = ~np.isnan(label)
        if not known.any():
            return None
        error = np.where(known, predicted - label, 0.0)
        signed = np.diagonal(error, axis1=-2, axis2=-1) if error.shape[1:] == (3, 3) else error
        signed_known = np.diagonal(known, axis1=-2, axis2=-1) if error.shape[1:] == (3, 3) else known
        error = error[known]
        return cls(
            mae=float(np.abs(error).mean()),
            rmse=float(np.sqrt(np.square(error).mean())),
            bias=float(signed[signed_known].mean()) if signed_known.any() else float("nan"),
            label_rms=float(np.sqrt(np.square(label[known]).mean())),
            count=int(known.sum()),
        )


@dataclass(frozen=True, eq=False)
class ErrorSet:
    """Errors on a set of frames.

    Attributes:
        n_frames: Frames in the set.
        errors: By the name of the quantity: a property of the table, or ``energy_per_atom``; what is not labelled is absent.
    """

    n_frames: int
    errors: Mapping[str, Errors]

    def rmse(self, name: str) -> float | None:
        """Root mean square error of a quantity; None where it is not labelled."""
        found = self.errors.get(name)
        return None if found is None else found.rmse

    def mae(self, name: str) -> float | None:
        """Mean absolute error of a quantity; None where it is not labelled."""
        found = self.errors.get(name)
        return None if found is None else found.mae

    def metrics(self) -> dict[str, float | int | None]:
        """The errors by name, as ``forces_rmse`` or ``energy_mae_per_atom``; energy and forces are always there."""
        values: dict[str, float | int | None] = {"n_frames": self.n_frames}
        for quantity in quantities():
            found = self.errors.get(quantity.name)
            if found is not None or quantity.name in _ALWAYS:
                values |= {quantity.metric(measure): getattr(found, measure, None) for measure in MEASURES}
        return values


def errors_of(rows: Iterable[Any]) -> dict[str, Errors]:
    """Errors by quantity of frames' predictions (`FramePrediction`)."""
    frames = list(rows)
    found: dict[str, Errors] = {}
    for quantity in quantities():
        name = quantity.row.name
        pairs = [(f.predicted[name], f.labels[name], len(f.numbers)) for f in frames if f.has(name)]
        if not pairs:
            continue
        if quantity.row.per_atom:
            arrays = [np.concatenate([np.asarray(pair[k], dtype=np.float64) for pair in pairs]) for k in (0, 1)]
        else:
            arrays = [np.stack([np.asarray(pair[k], dtype=np.float64) for pair in pairs]) for k in (0, 1)]
        if quantity.divided:
            sizes = np.array([pair[2] for pair in pairs], dtype=float)
            arrays = [(array.T / sizes).T for array in arrays]
        errors = Errors.of(*arrays)
        if errors is not None:
            found[quantity.name] = errors
    return found
