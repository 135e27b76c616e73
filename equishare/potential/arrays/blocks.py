"""Atoms in blocks small enough that what lies between a layer's loops stays in the cache."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from equishare.ops.threads import atom_ranges

# Atoms whose densities, products and edges fill half of a core's second cache
BLOCK = 16


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
    starts = np.searchsorted(receiver, np.arange(n_atoms + 1))
    work = 4 * harmonics.size * channels  # of one pass over the edges; atoms come on top
    parts: list[list[Block]] = []
    for start, stop in atom_ranges(n_atoms, work, starts):
        parts.append([])
        for first, last in pairwise([*range(start, stop, BLOCK), stop]):
            edges = slice(int(starts[first]), int(starts[last]))
            parts[-1].append(
                Block(
                    *(first, last - first, edges, species[first:last], sender[edges], neighbour[edges]),
                    *(starts[first : last + 1] - edges.start, order[: edges.stop - edges.start]),
                    *(basis[edges], harmonics[edges]),
                    is_alone=n_atoms <= BLOCK,
                )
            )
    return parts
