"""A committee for a fitted potential: members from the posterior of the last layer, calibrated on held-out frames."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from equishare.errors import EquishareError
from equishare.potential import AtomGraph, Committee, Potential, collate
from equishare.potential.config import ModelConfig
from equishare.potential.heads import EnergyHead
from equishare.training.config import OptimisationConfig
from equishare.training.data.batches import atoms_in, batches_by_size
from equishare.training.evaluation.evaluate import ATOMS_PER_BATCH, FramePrediction, evaluate_graphs

ATOMS = 20_000
"""Training atoms, about, from which the posterior is made: more change little."""
ROWS = 4
"""Derivatives along random directions for each feature, at least: of few frames, one for each leaves features of which no label tells."""
_STEP = 1e-3  # Å


def check_members(members: int, config: ModelConfig) -> None:
    """Raise `EquishareError` for more members than a potential of this shape can have."""
    most = EnergyHead.inputs(config)
    if members > most:
        raise EquishareError(
            f"uncertainty.committee: the readouts of this model read {most} features, so a committee has "
            f"{most} members at most, got {members}"
        )


def add_committee(
    potential: Potential,
    train: Sequence[AtomGraph],
    valid: Sequence[AtomGraph],
    members: int,
    weights: OptimisationConfig,
    seed: int = 0,
) -> None:
    """Give a fitted potential a committee; its predictions stay what they are.

    The posterior's inverse covariance sums over the training labels as the loss weighs them; of forces it needs the
    derivatives of the features by the positions, and gets them along random directions, whose expectation is the sum over all
    components: one for each frame, or more where frames are few.

    Args:
        potential: Fitted.
        train: Graphs that it was fitted to, with labels.
        valid: Graphs whose errors calibrate it, with labels.
        members: K, see `Committee`.
        weights: Of the loss.
        seed: Of the directions and the members.
    """
    generator = torch.Generator().manual_seed(seed)
    committee = Committee(potential.energy.n_inputs, members)
    committee.set_precision(_precision(potential, train, weights, generator), generator)
    potential.committee = committee.to(device=potential.device, dtype=potential.dtype)
    energy, forces = _factors(potential, valid)
    committee.energy_factor = energy or forces or 1.0
    committee.forces_factor = forces or energy or 1.0


def _factors(potential: Potential, graphs: Sequence[AtomGraph]) -> tuple[float | None, float | None]:
    """RMS error over RMS spread of energies and forces, where they are labelled."""
    frames = evaluate_graphs(potential, graphs).frames
    energy, forces = (
        _ratio(*zip(*[_pair(frame, name) for frame in frames if frame.has(name)], strict=True))
        if any(frame.has(name) for frame in frames)
        else None
        for name in ("energy", "forces")
    )
    return energy, forces


def _pair(frame: FramePrediction, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Errors and uncertainties of the components of a property."""
    error = np.asarray(frame.predicted[name] - frame.labels[name], dtype=float)
    spread = np.asarray(frame.uncertainties[name], dtype=float)
    return error.ravel(), np.broadcast_to(spread.reshape(-1, 1), (spread.size, error.size // spread.size)).ravel()


def _ratio(errors: Sequence[np.ndarray], spreads: Sequence[np.ndarray]) -> float | None:
    error, spread = np.concatenate(errors), np.concatenate(spreads)
    known = ~np.isnan(error)
    predicted = float(np.mean(spread[known] ** 2)) if known.any() else 0.0
    return float(np.sqrt(np.mean(error[known] ** 2) / predicted)) if predicted > 0 else None


@torch.no_grad()
def _precision(
    potential: Potential, graphs: Sequence[AtomGraph], weights: OptimisationConfig, generator: torch.Generator
) -> Tensor:
    """Sum over labels of their dependence on the last weights, squared; in units of one force component."""
    exact = copy.deepcopy(potential).double().eval()
    exact.committee = identity = Committee(potential.energy.n_inputs, 1).to(potential.device, torch.float64)
    identity.directions.copy_(torch.eye(potential.energy.n_inputs))
    chosen = _sample(graphs)
    energies, components = (
        sum(int((~torch.isnan(graph[name])).sum()) for graph in chosen if name in graph)
        for name in ("energy", "forces")
    )
    directions = n_directions(features=potential.energy.n_inputs, frames=len(chosen), atoms=atoms_in(chosen))
    per_energy = weights.weight("energy") * (components / energies if components else 1.0) if energies else 0.0
    total = torch.zeros(potential.energy.n_inputs, potential.energy.n_inputs, dtype=torch.float64)
    for group in batches_by_size(chosen, ATOMS_PER_BATCH.get(potential.device.type, 256)):
        batch = collate([_double(chosen[index]) for index in group])
        size = (batch.ptr[1:] - batch.ptr[:-1]).double() ** weights.size_exponent
        share = batch["weight"].double() if "weight" in batch else torch.ones_like(size)
        if energies:
            centre = _features(exact, batch, torch.zeros_like(batch.positions))
            energy = centre * (share.sqrt() * ~torch.isnan(batch["energy"]) / size).unsqueeze(1)
            total += per_energy * energy.T @ energy
        for _ in range(directions if components else 0):
            moves = torch.randn(batch.positions.shape, generator=generator, dtype=torch.float64)
            moves = moves.masked_fill(torch.isnan(batch["forces"]), 0.0)
            plus, minus = (_features(exact, batch, step * moves) for step in (_STEP, -_STEP))
            slope = (plus - minus) / (2 * _STEP) * share.sqrt().unsqueeze(1)
            total += weights.weight("forces") / directions * slope.T @ slope
    return total


def n_directions(features: int, frames: int, atoms: int) -> int:
    """Random directions for each frame: `ROWS` derivatives for each feature, but no more work than one direction of `ATOMS` atoms.

    >>> n_directions(features=96, frames=32, atoms=288), n_directions(features=96, frames=2222, atoms=20_000)
    (12, 1)
    """
    return max(1, min(math.ceil(ROWS * features / frames), ATOMS // atoms))


def _features(potential: Potential, batch: AtomGraph, move: Tensor) -> Tensor:
    """What the energy of each structure depends on the last weights by, in the network's unit."""
    moved = batch.clone()
    moved.positions = batch.positions + move
    deviations: Tensor = potential(moved.to(potential.device), forces=False).deviations
    return deviations.cpu() / potential.statistics.scale


def _double(graph: AtomGraph) -> AtomGraph:
    exact = graph.clone()
    for name in ("positions", "cell", "edge_shift"):
        exact[name] = exact[name].double()
    return exact


def _sample(graphs: Sequence[AtomGraph]) -> list[AtomGraph]:
    """Frames, evenly from all, that hold about `ATOMS` atoms."""
    mean = atoms_in(graphs) / len(graphs)
    n = min(len(graphs), max(1, round(ATOMS / mean)))
    return [graphs[index] for index in np.unique(np.linspace(0, len(graphs) - 1, n).round().astype(int))]
