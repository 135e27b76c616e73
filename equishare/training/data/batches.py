"""Batches of graphs, in an order that only the seed and the epoch decide."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from equishare.potential import AtomGraph, collate
from equishare.training.data.streamed_graphs import StreamedGraphs
from equishare.training.processes import ALONE, Processes

_AHEAD = 2
"""Batches that wait."""


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
        shares = (self.processes.share(whole) for whole in np.array_split(order, len(self))[start:])
        return map(self.make, shares) if not isinstance(self.graphs, StreamedGraphs) else ahead(self.make, shares)

    def make(self, indices: np.ndarray) -> AtomGraph:
        """The batch of graphs by index."""
        batch = joined(self.graphs, indices)
        batch.frame = torch.from_numpy(indices)
        return batch


def joined(graphs: Sequence[AtomGraph], indices: np.ndarray) -> AtomGraph:
    """Some of the graphs as a batch."""
    if isinstance(graphs, StreamedGraphs):
        return graphs.batch(indices)
    return collate([graphs[index] for index in indices])


def ahead(make: Callable[[np.ndarray], AtomGraph], items: Iterable[np.ndarray]) -> Iterator[AtomGraph]:
    """What is made of each item, in order; in a thread that is two items ahead, so that the disk need not be waited for."""
    pool = ThreadPoolExecutor(max_workers=1)
    waiting: deque[Future[AtomGraph]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def sizes(graphs: Sequence[AtomGraph]) -> np.ndarray:
    """Number of atoms of each structure."""
    if isinstance(graphs, StreamedGraphs):
        return graphs.sizes
    return np.array([len(graph.numbers) for graph in graphs], dtype=np.int64)


def atoms_in(graphs: Sequence[AtomGraph]) -> int:
    """Number of atoms in all."""
    return int(sizes(graphs).sum())


def frames_per_batch(graphs: Sequence[AtomGraph], atoms: int) -> int:
    """Structures that hold about so many atoms, at least one.

    >>> from ase.build import molecule
    >>> from equishare.potential import from_atoms
    >>> frames_per_batch([from_atoms(molecule("H2O"), 5.0)] * 4, 75)
    25
    """
    mean = atoms_in(graphs) / max(1, len(graphs))
    return max(1, round(atoms / max(mean, 1.0)))


def batches_by_size(graphs: Sequence[AtomGraph], atoms: int) -> Iterator[list[int]]:
    """Indices of structures in their order, grouped so that a group holds at most so many atoms, or one structure."""
    group: list[int] = []
    held = 0
    for index, size in enumerate(sizes(graphs).tolist()):
        if group and held + size > atoms:
            yield group
            group, held = [], 0
        group.append(index)
        held += size
    if group:
        yield group
