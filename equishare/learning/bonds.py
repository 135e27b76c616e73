"""Whether a molecule is still the one that it was."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

BONDED = 1.25
"""A pair is bonded at the start where it is closer than this times the sum of its covalent radii."""
BROKEN = 1.6
"""A bond is broken beyond this times the sum."""


class Bonds:
    """The bonds of a molecule; periodic structures have none here, for in a metal or a melt neighbours change.

    >>> from ase.build import molecule
    >>> water = molecule("H2O")
    >>> bonds = Bonds(water)
    >>> torn = water.copy()
    >>> torn.set_distance(0, 1, 2.0, fix=0)
    >>> bonds.changed(water), bonds.changed(torn)
    (None, 'the bond of atoms 0 (O) and 1 (H) is broken: 2.00 Å')
    """

    def __init__(self, atoms: Atoms) -> None:
        self.watched = not atoms.pbc.any()
        self.radii = covalent_radii[atoms.numbers][:, None] + covalent_radii[atoms.numbers][None, :]
        self.symbols = atoms.get_chemical_symbols()
        self.bonded = self._ratio(atoms) < BONDED

    def _ratio(self, atoms: Atoms) -> np.ndarray:
        distances = np.linalg.norm(atoms.positions[:, None] - atoms.positions[None, :], axis=2) / self.radii
        np.fill_diagonal(distances, np.inf)
        return distances

    def changed(self, atoms: Atoms) -> str | None:
        """In words, the first bond that is broken or new; None if there is none."""
        if not self.watched:
            return None
        ratio = self._ratio(atoms)
        for pairs, what in (
            (self.bonded & (ratio > BROKEN), "is broken"),
            (~self.bonded & (ratio < BONDED) & self._apart(), "is new"),
        ):
            if pairs.any():
                i, j = (int(k) for k in np.argwhere(np.triu(pairs | pairs.T))[0])
                length = ratio[i, j] * self.radii[i, j]
                return f"the bond of atoms {i} ({self.symbols[i]}) and {j} ({self.symbols[j]}) {what}: {length:.2f} Å"
        return None

    def _apart(self) -> np.ndarray:
        """Pairs that share no neighbour: atoms of one angle may come close without a bond."""
        linked = self.bonded.astype(int)
        return (linked @ linked) == 0
