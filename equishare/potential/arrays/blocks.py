"""Atoms in blocks small enough that what lies between a layer's loops stays in the cache."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from equishare.ops.edge_functions.operation import EdgeSweeps
from equishare.ops.threads import atom_ranges

# Bytes that a block's densities, products and edges' functions take: more leave the caches, fewer pay for the calls of a block
BYTES = 6 * 2**20
# Bytes of what the way back needs, which blocks keep; what more blocks need is computed twice: a million atoms fit in 20 GB
KEPT_BYTES = 2**30


@dataclass(slots=True, eq=False)
class Block:
    """Some atoms one after the other, and the edges that they receive, which are one after the other as well.

    ``starts`` counts the block's own edges from 0.

    Attributes:
        first: The first atom.
        n_atoms: How many.
        edges: Where the block's edges are among all.
        species: Of its atoms.
        neighbour: Species of the edges' senders.
        sender: Of the edges.
        starts: Where each atom's edges start.
        vectors: Of the edges.
        sweeps: The functions of the edges.
        keeps: Whether what the way back needs is kept from the way there.
    """

    first: int
    n_atoms: int
    edges: slice
    species: np.ndarray
    sender: np.ndarray
    starts: np.ndarray
    vectors: np.ndarray
    sweeps: EdgeSweeps
    all_species: np.ndarray
    keeps: bool
    _functions: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False)
    _gathered: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False)

    @property
    def atoms(self) -> slice:
        """Where the block's atoms are among all."""
        return slice(self.first, self.first + self.n_atoms)

    @property
    def neighbour(self) -> np.ndarray:
        """Species of each edge's sender."""
        return self.all_species[self.sender]

    def functions(self) -> tuple[np.ndarray, np.ndarray]:
        """(radial functions, harmonics) of the edges."""
        if self._functions is None:
            self._functions = self.sweeps.values(self.vectors)
        return self._functions

    def settle(self) -> None:
        """End this block's turn: what is not kept is computed again when it is asked for."""
        if not self.keeps:
            self._functions = None

    def gather(self, of_functions: tuple[np.ndarray, np.ndarray], out: np.ndarray, more: bool) -> None:
        """Add the derivative by the vectors to that of all edges, from those by the functions; where `more` come, with them."""
        if self._gathered is not None:
            for sum_, part in zip(of_functions, self._gathered, strict=True):
                sum_ += part
        self._gathered = of_functions if more and self.keeps else None
        if self._gathered is None:
            self.sweeps.gradient(self.vectors, *of_functions, out[self.edges])


def blocks(
    species: np.ndarray,
    sender: np.ndarray,
    receiver: np.ndarray,
    vectors: np.ndarray,
    sweeps: EdgeSweeps,
    n_atoms: int,
    channels: int,
) -> list[list[Block]]:
    """The blocks of the first `n_atoms` atoms, in one list a thread; edges are sorted by receiver."""
    n_basis, components = sweeps.columns
    size = _block_size(len(sender) / max(n_atoms, 1), components, channels, vectors.itemsize)
    starts = np.searchsorted(receiver, np.arange(n_atoms + 1))
    work = 4 * len(sender) * components * channels  # of one pass over the edges; atoms come on top
    parts: list[list[Block]] = []
    kept = 0
    for start, stop in atom_ranges(n_atoms, work, starts):
        parts.append([])
        for first, last in pairwise([*range(start, stop, size), stop]):
            edges = slice(int(starts[first]), int(starts[last]))
            n_edges = edges.stop - edges.start
            # of edges their functions and derivatives by them; of atoms a density and its powers in a layer
            numbers = 2 * n_edges * (n_basis + components) + 2 * (last - first) * components * channels
            kept += vectors.itemsize * numbers
            parts[-1].append(
                Block(
                    *(first, last - first, edges, species[first:last], sender[edges]),
                    *(starts[first : last + 1] - edges.start, vectors[edges], sweeps, species),
                    keeps=kept <= KEPT_BYTES,
                )
            )
    return parts


def _block_size(edges: float, components: int, channels: int, item_size: int) -> int:
    """Atoms of a block, of which each has so many edges; a power of two, so that it seldom changes during a run."""
    # eight arrays of features or their gradients; functions of edges, and their gradients
    numbers = 8 * channels * components + 4 * components * edges
    return 2 ** max(round(np.log2(BYTES / (item_size * numbers))), 3)
