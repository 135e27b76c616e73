"""Errors of a potential on labelled frames: as a whole, by element, by kind of frame, by frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols

from equishare.atoms.frame import Frame
from equishare.atoms.properties import outputs
from equishare.errors import EquishareError
from equishare.potential import AtomGraph, Potential, UnknownSpeciesError, collate
from equishare.training.data.batches import atoms_in, batches_by_size
from equishare.training.data.labelled_graphs import labelled_graphs
from equishare.training.evaluation.errors import Errors, ErrorSet, errors_of
from equishare.training.threads import threads_for

ATOMS_PER_BATCH = {"cpu": 256, "cuda": 4096}


@dataclass(frozen=True, eq=False)
class FramePrediction:
    """What a potential says of one frame, beside what its file says; in the units of the table of properties.

    Attributes:
        name: Of the frame.
        numbers: Atomic numbers.
        predicted: Values by property.
        labels: Values by property; NaN where there is none.
        volume: In Å^3; 0 without a cell.
        weight: Of the frame in the loss.
        config_type: What its file calls frames of its kind; may be empty.
        uncertainties: Standard deviations, where the potential has a committee: of the ``energy`` in eV, and of a component of the
            ``forces`` on each atom in eV/Å.
    """

    name: str
    numbers: np.ndarray
    predicted: Mapping[str, Any]
    labels: Mapping[str, Any]
    volume: float = 0.0
    weight: float = 1.0
    config_type: str = ""
    uncertainties: Mapping[str, Any] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether a property is predicted and labelled, if only in part."""
        return name in self.predicted and not bool(np.isnan(self.labels.get(name, np.nan)).all())

    @property
    def energy_error(self) -> float:
        """Predicted minus labelled energy in eV; NaN without a label."""
        return float(self.predicted["energy"] - self.labels["energy"]) if self.has("energy") else float("nan")

    @property
    def forces_rmse(self) -> float:
        """RMS error of the frame's force components in eV/Å; NaN without labels."""
        if not self.has("forces"):
            return float("nan")
        found = Errors.of(self.predicted["forces"], self.labels["forces"])
        return float("nan") if found is None else found.rmse

    @property
    def finite(self) -> bool:
        """Whether every prediction is a number."""
        return all(bool(np.isfinite(value).all()) for value in self.predicted.values())


@dataclass(frozen=True, eq=False)
class Evaluation(ErrorSet):
    """Errors on a set of frames, in the units of the table of properties.

    Attributes:
        elements: Errors of what atoms have, by element.
        config_types: Errors by kind of frame, where there are several.
        frames: Predictions, in the order of the frames.

    ``evaluation.errors["forces"].rmse`` is the RMS error of force components in eV/Å.
    """

    elements: Mapping[str, ErrorSet]
    config_types: Mapping[str, ErrorSet]
    frames: tuple[FramePrediction, ...]

    def worst(self, n: int = 5) -> list[FramePrediction]:
        """The frames with the largest force error (energy error, where no forces are labelled), worst first."""
        by_force = "forces" in self.errors
        key = [frame.forces_rmse if by_force else abs(frame.energy_error) for frame in self.frames]
        order = np.argsort(-np.nan_to_num(np.array(key), nan=-1.0, posinf=np.inf), kind="stable")
        return [self.frames[index] for index in order[:n]]

    def to_dict(self) -> dict[str, Any]:
        """Errors of the whole set, of each element and of each kind of frame, in plain types for JSON."""
        elements = {
            symbol: {
                "atoms": part.n_frames,
                **{k: v for k, v in part.metrics().items() if v is not None and k != "n_frames"},
            }
            for symbol, part in self.elements.items()
        }
        kinds = {name: part.metrics() for name, part in self.config_types.items()}
        return self.metrics() | {"elements": elements} | ({"config_types": kinds} if kinds else {})


def evaluate(
    potential: Potential,
    frames: Sequence[Frame],
    batch_size: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Errors of a potential on labelled frames, in evaluation mode; the mode it was in comes back.

    Args:
        potential: Any potential; predictions are made in its dtype, on its device.
        frames: What to predict; labels that are absent count nowhere. The stress is predicted where a frame has one.
        batch_size: Frames at a time; None: as many as suit the device.
        progress: Told the number of frames done.

    Raises:
        EquishareError: for no frames.
        GraphError: for a frame that has no graph.
        UnknownSpeciesError: for an element that the potential does not know; the message names the frame.

    >>> from equishare.atoms import read_frames
    >>> from equishare.potential import ModelConfig
    >>> frames = read_frames("ethanol@3:5")
    >>> potential = Potential(ModelConfig.preset("small"), {"H": -13.0, "C": -50.0, "O": -100.0})
    >>> evaluate(potential, frames).n_frames
    2
    """
    if not frames:
        raise EquishareError("expected at least one frame to evaluate, got none")
    _check_species(potential, frames)
    graphs = labelled_graphs(frames, potential.config, potential.dtype)
    return evaluate_graphs(potential, graphs, frames, batch_size=batch_size, progress=progress)


def _check_species(potential: Potential, frames: Sequence[Frame]) -> None:
    for frame in frames:
        if unknown := sorted(frame.composition.counts.keys() - set(potential.species)):
            raise UnknownSpeciesError(f"{frame.name}: {UnknownSpeciesError.of(potential.species, unknown)}")


@torch.no_grad()
def evaluate_graphs(
    potential: Potential,
    graphs: Sequence[AtomGraph],
    frames: Sequence[Frame] | None = None,
    *,
    batch_size: int | None = None,
    uncertainty: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """As `evaluate`, of graphs with labels that are there already; without uncertainties, if they are not wanted."""
    derive = {row.name: row.name == "forces" or _labelled(graphs, row.name) for row in outputs() if row.derived}
    rows: list[FramePrediction] = []
    was_training = potential.training
    potential.eval()
    try:
        with threads_for(min(ATOMS_PER_BATCH["cpu"], atoms_in(graphs))):
            for group in _groups(potential, graphs, batch_size):
                members = [graphs[i] for i in group]
                prediction = potential(collate(members).to(potential.device), **derive, forces_uncertainty=uncertainty)
                sizes = [len(graph.numbers) for graph in members]
                for i, graph, values in zip(group, members, prediction.rows(sizes), strict=True):
                    rows.append(_row(graph, values, frames[i] if frames else None))
                if progress:
                    progress(len(rows))
    finally:
        potential.train(was_training)
    return summarise(rows)


def _labelled(graphs: Sequence[AtomGraph], name: str) -> bool:
    return any(name in graph and not bool(torch.isnan(graph[name]).all()) for graph in graphs)


def _groups(potential: Potential, graphs: Sequence[AtomGraph], batch_size: int | None) -> list[list[int]]:
    if batch_size is None:
        return list(batches_by_size(graphs, ATOMS_PER_BATCH.get(potential.device.type, 256)))
    n = len(graphs)
    return [list(range(start, min(start + batch_size, n))) for start in range(0, n, batch_size)]


def _row(graph: AtomGraph, values: Mapping[str, Any], frame: Frame | None) -> FramePrediction:
    labels = {
        row.name: (graph[row.name] if row.per_atom else graph[row.name][0]).cpu().numpy()
        for row in outputs()
        if row.name in graph
    }
    spread = {name: values[f"{name}_uncertainty"] for name in labels if f"{name}_uncertainty" in values}
    return FramePrediction(
        name="" if frame is None else frame.name,
        numbers=graph.numbers.cpu().numpy(),
        predicted={row.name: values[row.name] for row in outputs() if row.name in values},
        labels=labels,
        volume=float(torch.linalg.det(graph.cell[0].double()).abs()),
        weight=1.0 if frame is None else frame.weight,
        config_type="" if frame is None else frame.config_type,
        uncertainties=spread,
    )


def summarise(frames: Sequence[FramePrediction]) -> Evaluation:
    """Errors of predictions that were made before."""
    kinds: dict[str, list[FramePrediction]] = {}
    for frame in frames:
        kinds.setdefault(frame.config_type, []).append(frame)
    several = kinds if len(kinds) > 1 else {}
    return Evaluation(
        n_frames=len(frames),
        errors=errors_of(frames),
        elements=_elements(frames),
        config_types={name or "(none)": ErrorSet(len(part), errors_of(part)) for name, part in sorted(several.items())},
        frames=tuple(frames),
    )


def _elements(frames: Sequence[FramePrediction]) -> dict[str, ErrorSet]:
    """Errors of what atoms have, by element; the count of a set is that of its labelled atoms."""
    found: dict[str, dict[str, Errors]] = {}
    atoms: dict[str, int] = {}
    for row in outputs():
        parts = [frame for frame in frames if frame.has(row.name)] if row.per_atom else []
        if not parts:
            continue
        numbers = np.concatenate([frame.numbers for frame in parts])
        predicted, label = (
            np.concatenate([np.asarray(values, dtype=np.float64) for values in column])
            for column in zip(*((frame.predicted[row.name], frame.labels[row.name]) for frame in parts), strict=True)
        )
        known = ~np.isnan(label.reshape(len(label), -1)).any(axis=1)
        for number in np.unique(numbers):
            chosen = numbers == number
            errors = Errors.of(predicted[chosen], label[chosen])
            if errors is not None:
                symbol = chemical_symbols[int(number)]
                found.setdefault(symbol, {})[row.name] = errors
                atoms[symbol] = max(atoms.get(symbol, 0), int((chosen & known).sum()))
    return {symbol: ErrorSet(atoms[symbol], errors) for symbol, errors in found.items()}
