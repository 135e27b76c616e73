"""Batches of graphs in memory, in an order that only the seed and the epoch decide."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from equishare.potential import AtomGraph, collate
from equishare.training.processes import ALONE, Processes


class BatchLoader:
    """Batches of graphs; in a new order every epoch if a seed is given.

    The order of an epoch comes from ``(seed, epoch)`` alone, so a run that is resumed sees the frames as it would have.
    Batches differ by one frame at most.

    Args:
        graphs: Structures, ready to be joined.
        batch_size: Largest number of structures in a batch.
        seed: Of the order; None keeps the order given.
        processes: Those that share every batch.
    """

    def __init__(
        self, graphs: Sequence[AtomGraph], batch_size: int, seed: int | None = None, processes: Processes = ALONE
    ) -> None:
        self.graphs = graphs
        self.batch_size = batch_size
        self.seed = seed
        self.processes = processes

    def __len__(self) -> int:
        return -(-len(self.graphs) // self.batch_size)

    def __iter__(self) -> Iterator[AtomGraph]:
        return self.epoch(0)

    def epoch(self, number: int, start: int = 0) -> Iterator[AtomGraph]:
        """Batches of an epoch, without the first few, this process's part of them; ``frame`` of a batch names its graphs by index."""
        order = np.arange(len(self.graphs))
        if self.seed is not None:
            order = np.random.default_rng([self.seed, number]).permutation(order)
        for whole in np.array_split(order, len(self))[start:]:
            indices = self.processes.share(whole)
            batch = collate([self.graphs[index] for index in indices])
            batch.frame = torch.from_numpy(indices)
            yield batch


def frames_per_batch(graphs: Sequence[AtomGraph], atoms: int) -> int:
    """Structures that hold about so many atoms, at least one.

    >>> from ase.build import molecule
    >>> from equishare.potential import from_atoms
    >>> frames_per_batch([from_atoms(molecule("H2O"), 5.0)] * 4, 75)
    25
    """
    mean = sum(len(graph.numbers) for graph in graphs) / max(1, len(graphs))
    return max(1, round(atoms / max(mean, 1.0)))


def batches_by_size(graphs: Sequence[AtomGraph], atoms: int) -> Iterator[list[int]]:
    """Indices of structures in their order, grouped so that a group holds at most so many atoms, or one structure."""
    group: list[int] = []
    held = 0
    for index, graph in enumerate(graphs):
        size = len(graph.numbers)
        if group and held + size > atoms:
            yield group
            group, held = [], 0
        group.append(index)
        held += size
    if group:
        yield group
