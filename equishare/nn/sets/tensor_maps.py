"""The maps between tensors of any order that commute with permutations, taken apart into two steps: contract, and spread."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple


class Piece(NamedTuple):
    """Indices of a tensor that are equal, and which of the points they then stand for are kept.

    Attributes:
        blocks: the block of each index, numbered in order of first appearance; indices of one block are equal.
        kept: blocks that the contracted tensor has an axis for, in order; the mean is taken over the others.
    """

    blocks: tuple[int, ...]
    kept: tuple[int, ...]

    @property
    def first(self) -> tuple[int, ...]:
        """The first index of each block."""
        return tuple(self.blocks.index(b) for b in range(max(self.blocks, default=-1) + 1))


def partitions(order: int) -> list[tuple[int, ...]]:
    """All ways to say which of some indices are equal, as restricted growth strings; Bell(order) of them.

    >>> partitions(3)
    [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (0, 1, 2)]
    """
    found: list[tuple[int, ...]] = [()]
    for _ in range(order):
        found = [(*p, b) for p in found for b in range(max(p, default=-1) + 2)]
    return found


def pieces(order: int, level: int) -> tuple[Piece, ...]:
    """All contractions of a tensor to one of a lower order, or all ways to spread that over it.

    Two of them, and a permutation of the axes between them, make a map; these are all maps, for a partition of the indices of input and
    output together is a partition of each, and a matching of some blocks.

    >>> from math import factorial
    >>> sum(factorial(s) * len(pieces(3, s)) * len(pieces(2, s)) for s in range(3))      # Bell(5)
    52
    """
    return tuple(
        Piece(blocks, kept)
        for blocks in partitions(order)
        for kept in combinations(range(max(blocks, default=-1) + 1), level)
    )
