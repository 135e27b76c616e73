"""Errors of a potential on labelled frames: as a whole, by element, by frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols

from equishare.atoms.frame import Frame
from equishare.potential import AtomGraph, Potential, collate
from equishare.training.data.batches import batches_by_size
from equishare.training.data.labelled_graphs import labelled_graph

ATOMS_PER_BATCH = {"cpu": 256, "cuda": 4096}


@dataclass(frozen=True, eq=False)
class FramePrediction:
    """What a potential says of one frame, beside what its file says; Å^3, eV, eV/Å, eV/Å^3, e·Å.

    Uncertainties, where the potential has a committee, are standard deviations: of the energy, and for each atom of a
    component of its force.
    """

    name: str
    numbers: np.ndarray
    volume: float
    energy: float
    energy_label: float
    forces: np.ndarray
    forces_label: np.ndarray
    stress: np.ndarray | None
    stress_label: np.ndarray
    dipole: np.ndarray | None
    dipole_label: np.ndarray
    energy_uncertainty: float | None = None
    forces_uncertainty: np.ndarray | None = None

    @property
    def energy_error(self) -> float:
        """Predicted minus labelled energy in eV; NaN without a label."""
        return self.energy - self.energy_label

    @property
    def forces_rmse(self) -> float:
        """RMS error of the frame's force components in eV/Å; NaN without labels."""
        rmse = _rmse(_error(self.forces, self.forces_label))
        return float("nan") if rmse is None else rmse


@dataclass(frozen=True)
class ElementError:
    """Errors of the forces on the atoms of one element."""

    atoms: int
    forces_mae: float
    forces_rmse: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Errors on a set of frames; eV, eV/Å, eV/Å^3, e·Å; None where nothing is labelled.

    Errors of forces, stress and dipole are of components. `frames` holds the predictions in the order of the frames.
    """

    n_frames: int
    energy_mae: float | None
    energy_rmse: float | None
    energy_mae_per_atom: float | None
    energy_rmse_per_atom: float | None
    forces_mae: float | None
    forces_rmse: float | None
    stress_mae: float | None
    stress_rmse: float | None
    dipole_mae: float | None
    dipole_rmse: float | None
    elements: dict[str, ElementError]
    frames: tuple[FramePrediction, ...]

    def worst(self, n: int = 5) -> list[FramePrediction]:
        """The frames with the largest force error (energy error, where no forces are labelled), worst first."""
        by_force = self.forces_rmse is not None
        key = [frame.forces_rmse if by_force else abs(frame.energy_error) for frame in self.frames]
        order = np.argsort(-np.nan_to_num(np.array(key), nan=-1.0, posinf=np.inf), kind="stable")
        return [self.frames[index] for index in order[:n]]

    def metrics(self) -> dict[str, float | int | None]:
        """The errors of the whole set by name."""
        names = [field.name for field in fields(self) if field.name not in ("elements", "frames")]
        return {name: getattr(self, name) for name in names}

    def to_dict(self) -> dict[str, Any]:
        """Errors of the whole set and of each element, in plain types for JSON."""
        elements = {symbol: vars(error) for symbol, error in self.elements.items()}
        return {**{k: v for k, v in self.metrics().items() if v is not None or _always(k)}, "elements": elements}


def _always(name: str) -> bool:
    return not name.startswith(("stress", "dipole"))


def evaluate(
    potential: Potential,
    frames: Sequence[Frame],
    batch_size: int | None = None,
    *,
    stress: bool | None = None,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Errors of a potential on labelled frames, in evaluation mode; the mode it was in comes back.

    Args:
        potential: Any potential; predictions are made in its dtype, on its device.
        frames: What to predict; labels that are absent count nowhere.
        batch_size: Frames at a time; None: as many as suit the device.
        stress: Predict the stress; None: where a frame has one.
        progress: Told the number of frames done.

    Raises:
        EquishareError: for no frames.
        GraphError: for a frame that has no graph.
        UnknownSpeciesError: for an element that the potential does not know.

    >>> from equishare.atoms import read_frames
    >>> from equishare.potential import ModelConfig
    >>> frames = read_frames("ethanol@3:5")
    >>> potential = Potential(ModelConfig.preset("small"), {"H": -13.0, "C": -50.0, "O": -100.0})
    >>> evaluate(potential, frames).n_frames
    2
    """
    graphs = [labelled_graph(frame, potential.cutoff, potential.dtype) for frame in frames]
    return evaluate_graphs(
        potential, graphs, [frame.name for frame in frames], batch_size, stress=stress, progress=progress
    )


@torch.no_grad()
def evaluate_graphs(
    potential: Potential,
    graphs: Sequence[AtomGraph],
    names: Sequence[str],
    batch_size: int | None = None,
    *,
    stress: bool | None = None,
    uncertainty: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """As `evaluate`, of graphs with labels that are there already; without uncertainties, if they are not wanted."""
    if not graphs:
        raise ValueError("expected at least one frame to evaluate, got none")
    if stress is None:
        stress = any(not torch.isnan(graph.stress).all() for graph in graphs)
    if batch_size is None:
        groups = list(batches_by_size(graphs, ATOMS_PER_BATCH.get(potential.device.type, 256)))
    else:
        groups = [
            list(range(start, min(start + batch_size, len(graphs)))) for start in range(0, len(graphs), batch_size)
        ]
    rows: list[FramePrediction] = []
    was_training = potential.training
    potential.eval()
    try:
        for group in groups:
            rows += _predict(potential, [graphs[i] for i in group], [names[i] for i in group], stress, uncertainty)
            if progress:
                progress(len(rows))
    finally:
        potential.train(was_training)
    return summarise(rows)


def _predict(
    potential: Potential, graphs: Sequence[AtomGraph], names: Sequence[str], stress: bool, uncertainty: bool
) -> list[FramePrediction]:
    prediction = potential(collate(graphs).to(potential.device), stress=stress, forces_uncertainty=uncertainty)
    sizes = [len(graph.numbers) for graph in graphs]
    energies = prediction.energy.cpu().numpy()
    forces = [part.numpy() for part in prediction.forces.detach().cpu().split(sizes)]
    stresses = None if prediction.stress is None else prediction.stress.detach().cpu().numpy()
    dipoles = None if prediction.dipole is None else prediction.dipole.cpu().numpy()
    uncertain = uncertainty and prediction.energy_uncertainty is not None
    energy_spread = prediction.energy_uncertainty.detach().cpu().numpy() if uncertain else None
    forces_spread = prediction.forces_uncertainty.detach().cpu().split(sizes) if uncertain else None
    return [
        FramePrediction(
            name=names[i],
            numbers=graph.numbers.cpu().numpy(),
            volume=float(torch.linalg.det(graph.cell[0].double()).abs()),
            energy=float(energies[i]),
            energy_label=float(graph.energy),
            forces=forces[i],
            forces_label=graph.forces.cpu().numpy(),
            stress=None if stresses is None else stresses[i],
            stress_label=graph.stress[0].cpu().numpy(),
            dipole=None if dipoles is None else dipoles[i],
            dipole_label=graph.dipole[0].cpu().numpy(),
            energy_uncertainty=None if energy_spread is None else float(energy_spread[i]),
            forces_uncertainty=None if forces_spread is None else forces_spread[i].numpy(),
        )
        for i, graph in enumerate(graphs)
    ]


def summarise(frames: Sequence[FramePrediction]) -> Evaluation:
    """Errors of predictions that were made before."""
    numbers = np.concatenate([frame.numbers for frame in frames])
    sizes = np.array([len(frame.numbers) for frame in frames])
    energy = _error([frame.energy for frame in frames], [frame.energy_label for frame in frames])
    forces = _error(
        np.concatenate([frame.forces for frame in frames]), np.concatenate([frame.forces_label for frame in frames])
    )
    with_stress = [frame for frame in frames if frame.stress is not None]
    with_dipole = [frame for frame in frames if frame.dipole is not None]
    errors: dict[str, Any] = {}
    for name, error in {
        "energy": energy,
        "energy_per_atom": energy / sizes,
        "forces": forces,
        "stress": _error([f.stress for f in with_stress], [f.stress_label for f in with_stress]),
        "dipole": _error([f.dipole for f in with_dipole], [f.dipole_label for f in with_dipole]),
    }.items():
        quantity, _, per_atom = name.partition("_")
        end = f"_{per_atom}" if per_atom else ""
        errors[f"{quantity}_mae{end}"], errors[f"{quantity}_rmse{end}"] = _mae(error), _rmse(error)
    elements = {}
    for number in np.unique(numbers):
        error = forces[numbers == number]
        mae, rmse = _mae(error), _rmse(error)
        if mae is not None and rmse is not None:
            atoms = int((~np.ma.getmaskarray(error)).all(axis=1).sum())
            elements[chemical_symbols[int(number)]] = ElementError(atoms, mae, rmse)
    return Evaluation(n_frames=len(frames), **errors, elements=elements, frames=tuple(frames))


def _error(predicted: Any, label: Any) -> np.ma.MaskedArray:
    """Predicted minus label, masked where there is no label; a prediction that is NaN stays NaN."""
    label = np.asarray(label, dtype=np.float64)
    return np.ma.masked_array(np.asarray(predicted, dtype=np.float64) - label, mask=np.isnan(label))


def _mae(error: np.ma.MaskedArray) -> float | None:
    return float(np.abs(error.compressed()).mean()) if error.count() else None


def _rmse(error: np.ma.MaskedArray) -> float | None:
    return float(np.sqrt(np.square(error.compressed()).mean())) if error.count() else None
