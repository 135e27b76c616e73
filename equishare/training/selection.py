"""Which frames of a pool to label next: uncertain, and unlike each other."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from ase import Atoms

from equishare.atoms.frame import Frame
from equishare.atoms.writing import write_xyz
from equishare.errors import EquishareError
from equishare.potential import AtomGraph, Potential, collate
from equishare.potential.given import conditioned_graph
from equishare.training.data.batches import batches_by_size
from equishare.training.evaluation.evaluate import ATOMS_PER_BATCH

# a residual that is smaller than this part of its uncertainty is rounding
_NOTHING = 1e-6


class SelectionError(EquishareError):
    """Frames cannot be selected as asked."""


def select(
    potential: Potential,
    frames: Sequence[Atoms],
    count: int,
    progress: Callable[[int], None] | None = None,
) -> list[int]:
    r"""Indices of the frames to label next, in the order of their choice.

    Each choice is the frame whose energy (per root of its number of atoms) is the most uncertain once the frames chosen before it
    count as labelled: greedily, the batch of the largest determinant of the committee's covariance,

    .. math:: \max_{|S| = n} \det\Big( \sum_k \delta_k(f)\, \delta_k(g) \Big)_{f, g \in S}.

    One rule serves uncertainty and diversity: a frame like one that is chosen has nothing left to tell, and copies are never
    chosen while there is another. Needs energies only: a forward pass for each frame.

    Args:
        potential: One with a committee.
        frames: The pool, with the conditions that the potential takes in ``info``; labels are not looked at.
        count: How many to choose.
        progress: Told the number of frames predicted.

    Raises:
        SelectionError: for a potential without a committee, or more frames than there are.
        GraphError: for a frame that has no graph.
        ConditionError: for a condition that is not one that the potential takes.
        UnknownSpeciesError: for an element that the potential does not know.

    Zaverkin, Holzmüller, Steinwart and Kästner, "Exploring chemical and conformational spaces by batch mode deep active
    learning" (2022).
    """
    if potential.committee is None:
        raise SelectionError(
            "the potential has no committee, so it does not know what it is uncertain of; train with --committee 8"
        )
    if not 1 <= count <= len(frames):
        raise SelectionError(f"expected a count from 1 to {len(frames)}, the frames of the pool, got {count}")
    graphs = [conditioned_graph(atoms, potential.config) for atoms in frames]
    return largest_determinant(_deviations(potential, graphs, progress), count)


def write_selection(
    path: str | os.PathLike[str], frames: Sequence[Frame], predictions: Sequence[Mapping[str, Any]]
) -> None:
    """Write geometries without labels, so that nobody trains on what they came with, their conditions, and how uncertain each is.

    ``source`` is the frame's name, ``energy_uncertainty`` in eV, ``forces_uncertainty`` of each atom in eV/Å. Written beside its
    place, then renamed.

    Raises:
        OSError: if the file cannot be written.
    """
    images = []
    for frame, predicted in zip(frames, predictions, strict=True):
        atoms = Atoms(frame.atoms.symbols, positions=frame.atoms.positions, cell=frame.atoms.cell, pbc=frame.atoms.pbc)
        atoms.info.update(frame.conditions, source=frame.name, energy_uncertainty=predicted["energy_uncertainty"])
        atoms.arrays["forces_uncertainty"] = predicted["forces_uncertainty"].astype(np.float64)
        images.append(atoms)
    write_xyz(path, images)


def largest_determinant(rows: np.ndarray, count: int) -> list[int]:
    """Rows, greedily, whose parallelotope has the largest volume; when no row is left outside of its span, a new one begins.

    >>> largest_determinant(np.array([[3.0, 0.0], [2.9, 0.1], [0.0, 1.0]]), 2)
    [0, 2]
    """
    left = rows.astype(np.float64)
    original = np.einsum("ij,ij->i", left, left)
    open_rows = np.ones(len(rows), dtype=bool)
    chosen: list[int] = []
    for _ in range(count):
        size = np.einsum("ij,ij->i", left, left)
        outside = open_rows & (size > _NOTHING * original)
        if not outside.any():  # all is said: begin anew with the rest
            left = rows.astype(np.float64)
            size, outside = original, open_rows
        best = int(np.argmax(np.where(outside, size, -1.0)))
        chosen.append(best)
        open_rows[best] = False
        if size[best] > 0:
            unit = left[best] / np.sqrt(size[best])
            left = left - np.outer(left @ unit, unit)
    return chosen


@torch.no_grad()
def _deviations(
    potential: Potential, graphs: Sequence[AtomGraph], progress: Callable[[int], None] | None
) -> np.ndarray:
    """Energies of the members relative to their mean, per root of the number of atoms; a row for each frame."""
    rows = []
    potential.eval()
    for group in batches_by_size(graphs, ATOMS_PER_BATCH.get(potential.device.type, 256)):
        batch = collate([graphs[index] for index in group]).to(potential.device)
        size = (batch.ptr[1:] - batch.ptr[:-1]).to(potential.dtype).sqrt()
        rows.append((potential(batch, forces=False).deviations / size.unsqueeze(1)).cpu().numpy())
        if progress is not None:
            progress(sum(len(row) for row in rows))
    return np.concatenate(rows)
