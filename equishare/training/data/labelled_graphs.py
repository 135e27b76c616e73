"""Frames as graphs with their labels and conditions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from ase import Atoms

from equishare.atoms.frame import Frame
from equishare.atoms.neighbours import GraphError, Neighbours, check_apart
from equishare.atoms.properties import PROPERTIES, outputs
from equishare.potential import AtomGraph, ModelConfig, from_atoms
from equishare.potential.base import carrying
from equishare.potential.given import ConditionError, conditions_of
from equishare.potential.long_range import LongRangeError, check_periodic
from equishare.training.data.base_values import base_values


def labelled_graphs(
    frames: Sequence[Frame], config: ModelConfig, dtype: torch.dtype = torch.float32
) -> list[AtomGraph]:
    """Graphs of frames that make batches together: the labels that the model learns are fields of all, NaN where a frame has none.

    Energy, forces, stress and what the model's heads read out are fields by their names in the table of properties, where some frame has
    them or a head wants them; so are the conditions that the model takes. Where a frame weighs more
    or less than another, ``weight`` is a field as well.

    Args:
        frames: With labels and conditions.
        config: Of the model: its cutoff, heads and conditions.
        dtype: Of the labels but the energy's, which is in float64.

    Raises:
        GraphError: if a frame has no graph; the message names it.
        ConditionError: if a condition is not one that the model takes; the message names the frame.
        LongRangeError: if a frame has no Coulomb energy, and the model one; the message names the frame.
        BaseError: if the cheap method that the model adds to fails; the message names the frame.

    >>> from equishare.atoms import read_frames
    >>> graphs = labelled_graphs(read_frames("ethanol@7:9"), ModelConfig(heads=("dipole",)))
    >>> graphs[0].forces.shape, graphs[0].dipole.shape, "stress" in graphs[0]
    (torch.Size([9, 3]), torch.Size([1, 3]), False)
    """
    names = label_names(frames, config)
    weighted = any(frame.weight != 1.0 for frame in frames)
    graphs = []
    for frame in frames:
        graph = _graph(frame, config)
        for name in names:
            graph[name] = _label(frame, name, torch.float64 if name == "energy" else dtype)
        if weighted:
            graph["weight"] = torch.tensor([frame.weight], dtype=dtype)
        graphs.append(graph)
    return graphs


def label_names(frames: Sequence[Frame], config: ModelConfig) -> list[str]:
    """Labels that are fields of the graphs of these frames."""
    always = ("energy", *config.heads)
    return [row.name for row in outputs() if row.name in always or (row.derived and _any_has(frames, row.name))]


def _any_has(frames: Sequence[Frame], name: str) -> bool:
    return any(name in frame.labels for frame in frames)


def _graph(frame: Frame, config: ModelConfig) -> AtomGraph:
    try:
        graph = from_atoms(frame.atoms, config.cutoff, frame.neighbours(config.cutoff))
        if config.beyond_edges:
            graph["pbc"] = torch.from_numpy(frame.atoms.pbc[None].copy())
        if config.long_range is not None:
            check_periodic(graph["pbc"])
    except (GraphError, LongRangeError) as error:
        raise type(error)(f"{frame.name}: {error}") from error
    if config.base is not None:
        graph = carrying(graph, base_values(frame, config))
    for name, value in frame_conditions(frame, config).items():
        graph[name] = torch.tensor([value])
    return graph


def checked(frame: Frame, pairs: Neighbours) -> None:
    """See that no two atoms of a frame are in one place.

    Raises:
        GraphError: if two are; the message names the frame.
    """
    try:
        check_apart(frame.atoms, pairs)
    except GraphError as error:
        raise GraphError(f"{frame.name}: {error}") from error


def frame_conditions(frame: Frame, config: ModelConfig) -> dict[str, int]:
    """The conditions of a frame that a model takes.

    Raises:
        ConditionError: if one is not of those that the model takes; the message names the frame.
    """
    try:
        return conditions_of(Atoms(info=dict(frame.conditions)), config)
    except ConditionError as error:
        raise ConditionError(f"{frame.name}: {error}") from error


def _label(frame: Frame, name: str, dtype: torch.dtype) -> torch.Tensor:
    row, value = PROPERTIES[name], frame.label(name)
    shape = (len(frame.atoms) if row.per_atom else 1, *row.shape)
    array = np.full(shape, np.nan) if value is None else np.reshape(value, shape)
    return torch.tensor(array, dtype=dtype)
