"""A list of neighbours that is kept while atoms move."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase import Atoms

from equishare.atoms.neighbours import Neighbours, check_apart, neighbour_list
from equishare.ops.near_pairs import numba as near_pairs


@dataclass(frozen=True)
class NeighbourList:
    """All pairs within a radius, and the structure they were listed for; the cell may breathe while the list is kept.

    >>> from ase.build import molecule
    >>> water = molecule("H2O")
    >>> listed = NeighbourList.of(water, 6.0)
    >>> water.positions += 0.1
    >>> listed.covers(water, skin=1.0), listed.within(water, 5.0).vectors.shape
    (True, (6, 3))
    """

    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray
    sender: np.ndarray
    receiver: np.ndarray
    shift: np.ndarray
    radius: float

    @classmethod
    def of(cls, atoms: Atoms, radius: float) -> "NeighbourList":
        """List the pairs of a structure.

        Raises:
            GraphError: if the structure has no graph, or two atoms are in one place.
        """
        found = neighbour_list(atoms, radius)
        check_apart(atoms, found)
        sender, receiver, shift, _ = found
        own = atoms.numbers.copy(), atoms.positions.copy(), np.array(atoms.cell), atoms.pbc.copy()
        return cls(*own, sender, receiver, shift.astype(np.float64), radius)

    def covers(self, atoms: Atoms, skin: float) -> bool:
        """Whether no pair can have come within the cutoff that is not listed; False where a position is not finite."""
        if not (np.array_equal(self.numbers, atoms.numbers) and np.array_equal(self.pbc, atoms.pbc)):
            return False
        moved, shortest = atoms.positions - self.positions, 1.0
        if not np.array_equal(self.cell, atoms.cell.array):
            if atoms.cell.rank < 3 or abs(np.linalg.det(self.cell)) < 1e-12:
                return False
            # the strain takes distances to `shortest` of themselves at least; what atoms move by comes on top
            strain = np.linalg.solve(self.cell, atoms.cell.array)
            moved = atoms.positions - np.einsum("ij,jk->ik", self.positions, strain)
            shortest = float(np.linalg.svd(strain, compute_uv=False)[-1])
        left = 0.5 * (skin - (1 - shortest) * self.radius)
        return left >= 0 and bool(np.einsum("ij,ij->i", moved, moved).max() <= left**2)

    def within(self, atoms: Atoms, cutoff: float) -> Neighbours:
        """The listed pairs that are closer than the cutoff now."""
        listed = len(self.sender)
        near, vectors, count = np.empty(listed, np.int64), np.empty((listed, 3)), np.empty(1, np.int64)
        shift = self.shift if self._crosses else self.shift[:0]
        ends = self.sender, self.receiver
        near_pairs.forward(atoms.positions, atoms.cell.array, *ends, shift, cutoff**2, near, vectors, count)
        near = near[: count[0]]
        return Neighbours(self.sender[near], self.receiver[near], self.shift[near], vectors[: count[0]])

    @cached_property
    def _crosses(self) -> bool:
        """Whether a pair reaches beyond the cell."""
        return bool(self.shift.any())
