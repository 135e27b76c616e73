"""Labelled graphs of frames that are on disk, made batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
import torch
from ase.geometry import complete_cell

from equishare.atoms.frame import Frame
from equishare.atoms.store import StoredFrame
from equishare.potential import AtomGraph, ModelConfig
from equishare.training.data.labelled_graphs import checked, frame_conditions, label_names, labelled_graphs

_CLOSE = 1e-4
"""Å^2: atoms this close are looked at one frame at a time."""


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
        numbers, positions, cells = zip(*(frame.store.geometry(frame.row) for frame in frames), strict=True)
        sizes = torch.tensor([len(each) for each in numbers])
        starts = [0, *sizes.cumsum(0).tolist()]
        place = np.concatenate(positions)
        sender, receiver, shift = self._pairs(frames, place, starts)
        batch = AtomGraph(
            numbers=torch.from_numpy(np.concatenate(numbers).astype(np.int64)),
            positions=torch.from_numpy(place),
            cell=torch.from_numpy(np.stack(cells)),
            edge_index=torch.from_numpy(np.stack([sender, receiver])),
            edge_shift=torch.from_numpy(shift.astype(np.float64)),
            batch=torch.repeat_interleave(torch.arange(len(frames)), sizes),
            ptr=torch.tensor(starts),
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

    def _pairs(
        self, frames: Sequence[StoredFrame], positions: np.ndarray, starts: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Senders, receivers and shifts of the pairs within the cutoff, as `Frame.neighbours` has them, of all frames at a time."""
        cutoff = self.config.cutoff
        senders, degrees, shifts = zip(*(frame.pairs(cutoff) for frame in frames), strict=True)
        counts = [len(each) for each in senders]
        receiver = np.repeat(np.arange(len(positions)), np.concatenate(degrees))
        sender = np.concatenate(senders).astype(np.int64) + np.repeat(starts[:-1], counts)
        vectors = positions[sender] - positions[receiver]
        shift = np.zeros((len(sender), 3), np.int64)
        edges = np.concatenate([[0], np.cumsum(counts)])
        for number, (frame, each) in enumerate(zip(frames, shifts, strict=True)):
            if each.any():
                mine = slice(edges[number], edges[number + 1])
                shift[mine] = each
                vectors[mine] += np.einsum("ei,ij->ej", shift[mine], complete_cell(frame.store.geometry(frame.row)[2]))
        square = np.einsum("ij,ij->i", vectors, vectors)
        if square.min(initial=1.0) < _CLOSE:
            for frame in frames:
                checked(frame, frame.neighbours(cutoff))
        near = square < cutoff**2
        return sender[near], receiver[near], shift[near]


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
