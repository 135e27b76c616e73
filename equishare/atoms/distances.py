"""Pairs of atoms within a cutoff, for the checks of the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from jaxtyping import Float, Int
from vesin import NeighborList

__all__ = ["Pairs", "is_sound", "neighbour_pairs", "periodic_volume"]

_DENSE = 300  # up to this many atoms without periodic images all distances are made at once


@dataclass(frozen=True, eq=False)
class Pairs:
    """Ordered pairs (i, j), i != j or j an image, with the vector from i to j and its length, in Å."""

    i: Int[np.ndarray, " pairs"]
    j: Int[np.ndarray, " pairs"]
    vectors: Float[np.ndarray, "pairs 3"]
    d: Float[np.ndarray, " pairs"]


def neighbour_pairs(atoms: Atoms, cutoff: float) -> Pairs:
    """All pairs with d < cutoff (Å), every pair in both directions; periodic images included.

    >>> neighbour_pairs(Atoms("H2", [(0, 0, 0), (0, 0, 0.74)]), 2.0).d.round(2).tolist()
    [0.74, 0.74]
    """
    if not atoms.pbc.any() and len(atoms) <= _DENSE:
        r = atoms.positions
        vectors = r[None, :, :] - r[:, None, :]
        d = np.sqrt(np.einsum("ijk,ijk->ij", vectors, vectors))
        i, j = np.nonzero((d < cutoff) & ~np.eye(len(atoms), dtype=bool))
        return Pairs(i, j, vectors[i, j], d[i, j])
    periodic = bool(atoms.pbc[0]) if atoms.pbc.all() or not atoms.pbc.any() else atoms.pbc
    cell = atoms.cell.complete() if atoms.pbc.any() else atoms.cell
    neighbours = NeighborList(cutoff=cutoff, full_list=True)
    i, j, vectors, d = neighbours.compute(atoms.positions, cell[:], periodic, "ijDd")
    return Pairs(i.astype(np.intp), j.astype(np.intp), vectors, d)


def periodic_volume(atoms: Atoms) -> float:
    """Volume, area or length of the cell along its periodic directions (Å^3, Å^2, Å); inf without any."""
    vectors = atoms.cell[:][atoms.pbc]
    return float(np.sqrt(max(np.linalg.det(vectors @ vectors.T), 0.0))) if len(vectors) else np.inf


def is_sound(atoms: Atoms) -> bool:
    """Whether distances can be measured: atoms, finite numbers, room in the periodic directions of the cell.

    >>> is_sound(Atoms("H")), is_sound(Atoms("H", pbc=True))
    (True, False)
    """
    if not len(atoms) or not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell[:]).all()):
        return False
    # solid hydrogen under the pressure of Jupiter's core still has 1 Å^3 an atom
    return periodic_volume(atoms) > (0.3 * len(atoms) if atoms.pbc.all() else 0.1)
