"""Labelled graphs of frames that are on disk, made batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
import torch

from equishare.atoms.frame import Frame
from equishare.atoms.neighbours import GraphError, Neighbours, check_apart
from equishare.atoms.store import StoredFrame
from equishare.potential import AtomGraph, ModelConfig
from equishare.training.data.labelled_graphs import checked, frame_conditions, label_names, labelled_graphs


class StreamedGraphs(Sequence[AtomGraph]):
    """The graphs that `labelled_graphs` makes, to the bit, but each made when it is asked for and not kept.

    Args:
        frames: Of stores.
        config: Of the model: its cutoff, heads and conditions.
        dtype: Of the labels but the energy's, which is in float64.
    """

    def __init__(self, frames: Sequence[StoredFrame], config: ModelConfig, dtype: torch.dtype = torch.float32) -> None:
        self.frames, self.config, self.dtype = frames, config, dtype
        self.names = label_names(frames, config)
        self.weighted = any(frame.weight != 1.0 for frame in frames)
        self.sizes = np.array([frame.n_atoms for frame in frames], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.frames)

    @overload
    def __getitem__(self, index: int) -> AtomGraph: ...

    @overload
    def __getitem__(self, index: slice) -> StreamedGraphs: ...

    def __getitem__(self, index: int | slice) -> AtomGraph | StreamedGraphs:
        if isinstance(index, slice):
            return StreamedGraphs(self.frames[index], self.config, self.dtype)
        graph = self.batch([index])
        del graph["batch"], graph["ptr"]
        return graph

    def batch(self, indices: Sequence[int] | np.ndarray) -> AtomGraph:
        """Graphs by index, joined as `collate` joins them.

        Raises:
            GraphError: if a frame has no graph; the message names it.
            ConditionError: if a condition is not one that the model takes; the message names the frame.
        """
        frames = [self.frames[index] for index in indices]
        found = [frame.neighbours(self.config.cutoff) for frame in frames]
        geometries = [frame.store.geometry(frame.row) for frame in frames]
        sizes = torch.tensor([len(numbers) for numbers, _, _ in geometries])
        starts = [0, *sizes.cumsum(0).tolist()]
        numbers, positions, cells = zip(*geometries, strict=True)
        pairs = Neighbours(*(np.concatenate(column) for column in zip(*found, strict=True)))
        self._check(frames, found, pairs)
        first = np.repeat(starts[:-1], [len(each.sender) for each in found])
        batch = AtomGraph(
            numbers=torch.from_numpy(np.concatenate(numbers).astype(np.int64)),
            positions=torch.from_numpy(np.concatenate(positions)),
            cell=torch.from_numpy(np.stack(cells)),
            edge_index=torch.from_numpy(np.stack([pairs.sender + first, pairs.receiver + first])),
            edge_shift=torch.from_numpy(pairs.shift.astype(np.float64)),
            batch=torch.repeat_interleave(torch.arange(len(frames)), sizes),
            ptr=torch.tensor(starts),
            num_nodes=starts[-1],
        )
        for name in self.names:
            values = torch.from_numpy(np.concatenate([frame.store.label(frame.row, name) for frame in frames]))
            batch[name] = values if name == "energy" else values.to(self.dtype)
        if self.weighted:
            batch["weight"] = torch.tensor([frame.weight for frame in frames], dtype=self.dtype)
        if self.config.conditions:
            rows = [frame_conditions(frame, self.config) for frame in frames]
            batch.update({name: torch.tensor([row[name] for row in rows]) for name in self.config.conditions})
        return batch

    @staticmethod
    def _check(frames: Sequence[Frame], found: Sequence[Neighbours], pairs: Neighbours) -> None:
        """See that no two atoms are in one place; frame by frame only where some are."""
        try:
            check_apart(frames[0].atoms, pairs)
        except GraphError:
            for frame, each in zip(frames, found, strict=True):
                checked(frame, each)


def graphs_of(frames: Sequence[Frame], config: ModelConfig, dtype: torch.dtype) -> Sequence[AtomGraph]:
    """Labelled graphs of frames: in memory if the frames are, else made when they are asked for.

    Raises:
        GraphError: if a frame in memory has no graph; the message names it.
        ConditionError: if a condition is not one that the model takes; the message names the frame.
    """
    on_disk = [frame for frame in frames if isinstance(frame, StoredFrame)]
    if frames and len(on_disk) == len(frames):
        return StreamedGraphs(on_disk, config, dtype)
    return labelled_graphs(frames, config, dtype)
