"""Where GFN2-xTB, which costs next to nothing, can help to learn another method."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from ase import Atoms

LARGEST_CELL = 40
"""Atoms of a periodic cell up to which GFN2-xTB is fast enough."""
NON_METALS = frozenset(["H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Se", "Br", "I"])
"""What it is made for; on cells of metals it is slow, and often does not converge."""


def xtb_suits(starts: Sequence[Atoms]) -> bool:
    """Whether it is installed, and fast and sound for all of these.

    >>> from ase.build import bulk
    >>> xtb_suits([bulk("Cu")])
    False
    """
    return importlib.util.find_spec("tblite") is not None and all(
        not atoms.pbc.any() or (len(atoms) <= LARGEST_CELL and set(atoms.symbols) <= NON_METALS) for atoms in starts
    )
