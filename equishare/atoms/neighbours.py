"""The one list of neighbours: every pair of atoms, periodic images included, that is closer than a cutoff."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from ase import Atoms
from jaxtyping import Float, Int

from equishare.errors import EquishareError

__all__ = [
    "GraphError",
    "Neighbours",
    "check_apart",
    "check_structure",
    "has_room",
    "is_sound",
    "neighbour_list",
    "periodic_volume",
    "settle",
]

_FAR = 100.0  # Å: float32 resolves 1e-5 Å at this distance from the origin
_APART = 25.0  # Å: the search divides all the space between atoms that fly apart into cells
_ONE_PLACE = 1e-3  # Å
_FARTHEST = 1e9  # Å: float64 resolves 1e-7 Å there
_LONGEST = 1e5  # Å of a cell vector; searches have been seen to overflow at 1e6
_CROWD = 20_000  # neighbours of an atom; solid hydrogen in Jupiter's core has 900 within 6 Å
_WIDE = 10.0  # Å: empty space between groups of atoms that is wider than this is narrowed


class GraphError(EquishareError):
    """A structure cannot be turned into a graph."""


class Neighbours(NamedTuple):
    r"""Ordered pairs of atoms within a cutoff, sorted by receiver, then sender.

    ``vectors = positions[sender] + shift @ cell - positions[receiver]`` in Å, float64; `shift` counts cells.
    """

    sender: Int[np.ndarray, " pairs"]
    receiver: Int[np.ndarray, " pairs"]
    shift: Int[np.ndarray, "pairs 3"] | Float[np.ndarray, "pairs 3"]
    vectors: Float[np.ndarray, "pairs 3"]

    @property
    def distances(self) -> Float[np.ndarray, " pairs"]:
        """Length of each vector in Å."""
        return np.sqrt(np.einsum("ij,ij->i", self.vectors, self.vectors))

    def nearest(self, n_atoms: int) -> Float[np.ndarray, " atoms"]:
        """Distance in Å of each atom to its nearest neighbour; inf where it has none."""
        nearest = np.full(n_atoms, np.inf)
        np.minimum.at(nearest, self.receiver, self.distances)
        return nearest

    def within(self, cutoff: float) -> Neighbours:
        """Those of the pairs that are closer than a cutoff in Å."""
        near = np.einsum("ij,ij->i", self.vectors, self.vectors) < cutoff**2
        return self if near.all() else Neighbours(*(each[near] for each in self))


def neighbour_list(atoms: Atoms, cutoff: float) -> Neighbours:
    """All pairs closer than the cutoff (Å), both ways, with images along the periodic directions; found by vesin.

    Exact in float64 wherever the atoms are: far from the origin, many cells away, or groups far apart.

    Raises:
        GraphError: for a structure without atoms, with a position that is not finite, or a periodic cell without volume.

    >>> from ase.build import molecule
    >>> neighbour_list(molecule("H2"), 2.0).distances.round(2).tolist()
    [0.74, 0.74]
    """
    from vesin import NeighborList

    check_structure(atoms)
    _check_crowd(atoms, cutoff)
    positions, crossed = settle(atoms, cutoff)
    box = np.asarray(atoms.cell.complete()) if atoms.pbc.any() else np.zeros((3, 3))
    calculator = NeighborList(cutoff=float(cutoff), full_list=True)
    receiver, sender, shift, vectors = calculator.compute(
        points=positions, box=box, periodic=atoms.pbc.tolist(), quantities="ijSD"
    )
    sender, receiver, shift = sender.astype(np.int64), receiver.astype(np.int64), shift.astype(np.int64)
    order = np.lexsort((shift[:, 2], shift[:, 1], shift[:, 0], sender, receiver))
    sender, receiver, shift, vectors = sender[order], receiver[order], shift[order], vectors[order]
    if crossed is not None:
        shift = shift - crossed[sender] + crossed[receiver]
    return Neighbours(sender, receiver, shift, vectors)


def settle(atoms: Atoms, cutoff: float = 0.0) -> tuple[Float[np.ndarray, "atoms 3"], Int[np.ndarray, "atoms 3"] | None]:
    """Positions of the same structure around the origin, and by how many cells each atom was moved for it, if any was.

    Only what no pair within the cutoff (Å) can see is changed: the origin, and where atoms are more than 100 Å (without periodic
    directions 25 Å) from their centre, the cell that an atom is in, and the width of empty space beside groups of atoms along
    directions that are not periodic.
    """
    centred = atoms.positions - atoms.positions.mean(axis=0)
    if np.abs(centred).max(initial=0.0) <= (_FAR if atoms.pbc.any() else _APART):
        return centred, None
    crossed = None
    if atoms.pbc.any():
        cell = np.asarray(atoms.cell.complete())
        crossed = np.where(atoms.pbc, np.floor(np.linalg.solve(cell.T, centred.T).T), 0.0).astype(np.int64)
        centred = centred - crossed @ cell
    gap = max(_WIDE, 2.0 * cutoff)
    for direction in _open_directions(atoms):
        along = centred @ direction
        order = np.argsort(along)
        excess = np.maximum(np.diff(along[order]) - gap, 0.0)
        centred[order[1:]] -= np.cumsum(excess)[:, None] * direction
    return centred - centred.mean(axis=0), crossed


def _open_directions(atoms: Atoms) -> Float[np.ndarray, "directions 3"]:
    """Unit vectors across all periodic ones: no image lies along them."""
    periodic = np.asarray(atoms.cell)[atoms.pbc]
    if not len(periodic):
        return np.eye(3)
    return np.linalg.svd(periodic)[2][len(periodic) :]


def check_structure(atoms: Atoms) -> None:
    """See that a structure has a graph.

    Raises:
        GraphError: there are no atoms, a position is not finite or beyond 1e9 Å, or a periodic cell has no volume or a side beyond 1e5 Å.
    """
    if len(atoms) == 0:
        raise GraphError("expected a structure with at least one atom, got none")
    bad = ~np.isfinite(atoms.positions).all(axis=1)
    if bad.any():
        raise GraphError(f"position of atom {int(np.argmax(bad))} is not finite: {atoms.positions[np.argmax(bad)]}")
    if atoms.pbc.any() and not (np.isfinite(np.asarray(atoms.cell)).all() and periodic_volume(atoms) > 1e-6):
        raise GraphError(
            f"periodic along {atoms.pbc.tolist()}, but the cell has no volume: {np.asarray(atoms.cell).tolist()}; "
            "give the cell vectors, or set pbc to False"
        )
    farthest = float(np.abs(atoms.positions).max())
    if farthest > _FARTHEST:
        raise GraphError(
            f"an atom is {farthest:.3g} Å from the origin, too far to resolve distances; are positions in Å?"
        )
    longest = float(np.linalg.norm(np.asarray(atoms.cell)[atoms.pbc], axis=1).max(initial=0.0))
    if longest > _LONGEST:
        raise GraphError(
            f"a periodic cell vector is {longest:.3g} Å long, expected at most {_LONGEST:g}; is the cell in Å?"
        )


def _check_crowd(atoms: Atoms, cutoff: float) -> None:
    """See that a periodic cell is not so small that its pairs fill the memory."""
    vectors = np.asarray(atoms.cell)[atoms.pbc]
    if not len(vectors):
        return
    ball = (2.0 * cutoff, np.pi * cutoff**2, 4.0 / 3.0 * np.pi * cutoff**3)[len(vectors) - 1]
    heights = 1.0 / np.linalg.norm(np.linalg.pinv(vectors), axis=0)
    # where a cell is longer than the ball, all its atoms may still be in one place
    crowd = len(atoms) * ball / periodic_volume(atoms) * np.prod(np.maximum(heights / (2.0 * cutoff), 1.0))
    if crowd > _CROWD * max(1.0, len(atoms) / 1000.0):
        raise GraphError(
            f"the cell holds so many atoms that each has up to {crowd:.2g} neighbours within {cutoff:g} Å; is the cell in Å?"
        )


def check_apart(atoms: Atoms, neighbours: Neighbours) -> None:
    """See that no two atoms are in one place, where no potential has a derivative.

    Raises:
        GraphError: two atoms, or an atom and an image, are closer than 0.001 Å.
    """
    square = np.einsum("ij,ij->i", neighbours.vectors, neighbours.vectors)
    if len(square) and square.min() < _ONE_PLACE**2:
        closest = int(np.argmin(square))
        i, j = sorted((int(neighbours.receiver[closest]), int(neighbours.sender[closest])))
        raise GraphError(
            f"atoms {i} ({atoms.symbols[i]}) and {j} ({atoms.symbols[j]}) are in one place, {math.sqrt(square[closest]):.2g} Å apart; "
            "remove one of them"
        )


def periodic_volume(atoms: Atoms) -> float:
    """Volume, area or length of the cell along its periodic directions (Å^3, Å^2, Å); inf without any."""
    vectors = np.asarray(atoms.cell)[atoms.pbc]
    return float(np.sqrt(max(np.linalg.det(vectors @ vectors.T), 0.0))) if len(vectors) else np.inf


def is_sound(atoms: Atoms) -> bool:
    """Whether distances can be measured: atoms, finite numbers of a sensible size, room in the periodic directions of the cell.

    >>> is_sound(Atoms("H")), is_sound(Atoms("H", pbc=True))
    (True, False)
    """
    try:
        check_structure(atoms)
    except GraphError:
        return False
    return has_room(atoms)


def has_room(atoms: Atoms) -> bool:
    """Whether a cell has a sensible volume, area or length along its periodic directions; True without any."""
    # solid hydrogen under the pressure of Jupiter's core still has 1 Å^3 an atom
    return periodic_volume(atoms) > (0.3 * len(atoms) if atoms.pbc.all() else 0.1)
