"""Which probabilities of a pair hidden Markov model are the same."""

import numpy as np

from equishare.groups.permutation import SignedPermutation
from equishare.sharing.index_pattern import IndexPattern, orbits


def gap_pattern(tied: bool) -> IndexPattern:
    """The sharing of (end, open x, open y, extend x, extend y): with ``tied``, x and y may be exchanged.

    >>> gap_pattern(True).index.tolist(), gap_pattern(False).n_free
    ([0, 1, 1, 2, 2], 5)
    """
    exchange = SignedPermutation.unsigned(np.array([0, 2, 1, 4, 3]))
    return orbits([exchange] if tied else [], (5,))


def symmetric_pattern(n_symbols: int) -> IndexPattern:
    """The sharing of a symmetric matrix: the pair (a, b) and the pair (b, a) have one weight.

    >>> symmetric_pattern(2).index.tolist()
    [[0, 1], [1, 2]]
    """
    transpose = np.arange(n_symbols**2).reshape(n_symbols, n_symbols).T.ravel()
    return orbits([SignedPermutation.unsigned(transpose)], (n_symbols, n_symbols))
