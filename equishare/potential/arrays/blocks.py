"""Atoms in blocks small enough that what lies between a layer's loops stays in the cache."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from equishare.ops.threads import atom_ranges

# Bytes that a block's densities, products and radial functions take: more leave the caches, fewer pay for the calls of a block
BYTES = 3 * 2**20


class Block(NamedTuple):
    """Some atoms one after the other, and the edges that they receive, which are one after the other as well.

    ``neighbour`` is the sender's species; ``starts`` and ``order`` count the block's own edges from 0.
    """

    first: int
    n_atoms: int
    edges: slice
    species: np.ndarray
    sender: np.ndarray
    neighbour: np.ndarray
    starts: np.ndarray
    order: np.ndarray
    basis: np.ndarray
    harmonics: np.ndarray
    is_alone: bool

    @property
    def atoms(self) -> slice:
        """Where the block's atoms are among all."""
        return slice(self.first, self.first + self.n_atoms)


def blocks(
    species: np.ndarray,
    sender: np.ndarray,
    receiver: np.ndarray,
    basis: np.ndarray,
    harmonics: np.ndarray,
    n_atoms: int,
    channels: int,
) -> list[list[Block]]:
    """The blocks of the first `n_atoms` atoms, in one list a thread; edges are sorted by receiver."""
    neighbour, order = species[sender], np.arange(len(sender))
    size = _block_size(len(sender) / max(n_atoms, 1), harmonics.shape[1], channels, harmonics.itemsize)
    starts = np.searchsorted(receiver, np.arange(n_atoms + 1))
    work = 4 * harmonics.size * channels  # of one pass over the edges; atoms come on top
    parts: list[list[Block]] = []
    for start, stop in atom_ranges(n_atoms, work, starts):
        parts.append([])
        for first, last in pairwise([*range(start, stop, size), stop]):
            edges = slice(int(starts[first]), int(starts[last]))
            parts[-1].append(
                Block(
                    *(first, last - first, edges, species[first:last], sender[edges], neighbour[edges]),
                    *(starts[first : last + 1] - edges.start, order[: edges.stop - edges.start]),
                    *(basis[edges], harmonics[edges]),
                    is_alone=last - first == n_atoms,
                )
            )
    return parts


def _block_size(edges: float, components: int, channels: int, item_size: int) -> int:
    """Atoms of a block, of which each has so many edges; a power of two, so that it seldom changes during a run."""
    # eight arrays of features or their gradients; radial functions, one a degree, and their gradient
    numbers = channels * (8 * components + 2 * components**0.5 * edges)
    return 2 ** max(round(np.log2(BYTES / (item_size * numbers))), 3)
