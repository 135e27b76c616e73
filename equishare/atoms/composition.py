"""Which atoms a frame has: many frames share one answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from ase.data import chemical_symbols
from ase.formula import Formula

__all__ = ["Composition", "composition_of"]

_KEPT = 4096


class Composition:
    """Atomic numbers in the order of a frame's atoms, and what follows from them alone.

    Attributes:
        numbers: Atomic numbers, read-only.
        size: Number of atoms.
        counts: How many atoms of each element there are, by symbol, lightest element first.
        ordered: Atomic numbers in increasing order, as bytes: the same for frames of the same atoms.
        formula: In Hill's order.
        strange: Some number is not that of an element.

    >>> water = composition_of(np.array([8, 1, 1]))
    >>> water.counts, water.formula, water is composition_of(np.array([8, 1, 1]))
    ({'H': 2, 'O': 1}, 'H2O', True)
    """

    def __init__(self, numbers: np.ndarray) -> None:
        self.numbers, self.size = numbers, len(numbers)
        ordered = np.sort(numbers)
        self.ordered = ordered.tobytes()
        found = Counter(ordered.tolist())
        self.counts: Mapping[str, int] = {_symbol(number): count for number, count in found.items()}
        self.strange = bool(((numbers < 1) | (numbers > 118)).any())
        plain = {symbol: count for symbol, count in self.counts.items() if symbol in chemical_symbols}
        self.formula = Formula.from_dict(plain).format("hill")

    def count(self, number: int) -> int:
        """How many atoms have this atomic number."""
        return int(np.count_nonzero(self.numbers == number))

    def total(self, values: Mapping[str, float]) -> float:
        """Sum over the atoms of a value of their element, 0 where it has none."""
        return sum(count * values.get(symbol, 0.0) for symbol, count in self.counts.items())


def composition_of(numbers: np.ndarray) -> Composition:
    """The composition of these atoms; that of the same atoms in the same order is the same object, as long as it is kept."""
    return _kept(np.asarray(numbers, np.int64).tobytes())


@lru_cache(maxsize=_KEPT)
def _kept(raw: bytes) -> Composition:
    return Composition(np.frombuffer(raw, np.int64))


def _symbol(number: int) -> str:
    return chemical_symbols[number] if 0 <= number < len(chemical_symbols) else f"({number})"
