"""Permutations and signed permutations as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Permutation = tuple[int, ...]


def compose(g: Permutation, h: Permutation) -> Permutation:
    """First h, then g.

    >>> compose((1, 2, 0), (1, 0, 2))
    (2, 1, 0)
    """
    return tuple(g[i] for i in h)


def invert(g: Permutation) -> Permutation:
    """The inverse permutation.

    >>> invert((1, 2, 0))
    (2, 0, 1)
    """
    out = [0] * len(g)
    for i, image in enumerate(g):
        out[image] = i
    return tuple(out)


def cycle_type(g: Permutation) -> tuple[int, ...]:
    """Lengths of the cycles, longest first.

    >>> cycle_type((1, 0, 2))
    (2, 1)
    """
    seen, lengths = [False] * len(g), []
    for start in range(len(g)):
        length, i = 0, start
        while not seen[i]:
            seen[i], i, length = True, g[i], length + 1
        if length:
            lengths.append(length)
    return tuple(sorted(lengths, reverse=True))


def parity(g: Permutation) -> int:
    """+1 for an even permutation, -1 for an odd one.

    >>> parity((1, 0, 2))
    -1
    """
    return -1 if (len(g) - len(cycle_type(g))) % 2 else 1


def side_by_side(first: Sequence[Permutation], second: Sequence[Permutation]) -> tuple[Permutation, ...]:
    """Pairs of permutations, each acting on two sets of points, the second numbered after the first.

    >>> side_by_side([(1, 0)], [(2, 0, 1)])
    ((1, 0, 4, 2, 3),)
    """
    return tuple((*g, *(len(g) + i for i in h)) for g, h in zip(first, second, strict=True))


def is_permutation(g: Permutation) -> bool:
    """True if g lists each of 0 .. len(g)-1 once."""
    return sorted(g) == list(range(len(g)))


@dataclass(frozen=True, eq=False)
class SignedPermutation:
    """The matrix that sends basis vector i to sign[i] times basis vector image[i]."""

    image: np.ndarray
    sign: np.ndarray

    @staticmethod
    def unsigned(image: np.ndarray) -> SignedPermutation:
        """The permutation without signs."""
        image = np.asarray(image, dtype=np.int64)
        return SignedPermutation(image, np.ones(len(image), dtype=np.int8))

    @staticmethod
    def from_matrix(matrix: Tensor, tolerance: float = 1e-12) -> SignedPermutation | None:
        """The signed permutation that a matrix is, or None if it is none.

        >>> SignedPermutation.from_matrix(torch.tensor([[0.0, -1.0], [1.0, 0.0]])).sign
        array([ 1, -1], dtype=int8)
        """
        array = matrix.detach().cpu().numpy()
        image = np.abs(array).argmax(axis=0)
        value = array[image, np.arange(len(image))]
        sign = np.where(value > 0, 1, -1).astype(np.int8)
        exact = np.zeros_like(array)
        exact[image, np.arange(len(image))] = sign
        if np.abs(array - exact).max(initial=0.0) > tolerance or len(set(image.tolist())) < len(image):
            return None
        return SignedPermutation(image.astype(np.int64), sign)

    def matrix(self) -> Tensor:
        """The matrix, in double precision."""
        out = torch.zeros(len(self.image), len(self.image), dtype=torch.float64)
        out[torch.as_tensor(self.image), torch.arange(len(self.image))] = torch.as_tensor(self.sign).double()
        return out

    @property
    def trace(self) -> int:
        """The sum of the signs of the fixed points."""
        return int(self.sign[self.image == np.arange(len(self.image))].sum())
