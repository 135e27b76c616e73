"""Sharing at random: the hashing trick."""

from __future__ import annotations

import math

import numpy as np
import torch

from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.pattern import SharingError

_MASK = (1 << 64) - 1


def _mix(keys: np.ndarray, seed: int) -> np.ndarray:
    """SplitMix64's finaliser (Steele, Lea & Flood 2014): 64 well-mixed bits a key."""
    with np.errstate(over="ignore"):
        z = keys.astype(np.uint64) + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & _MASK)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def hashed(shape: tuple[int, ...], n_free: int, seed: int = 0) -> IndexPattern:
    """A weight of any shape from ``n_free`` base weights, W[e] = xi(e) * w[h(e)] with hashes h and xi = +-1.

    Not a symmetry: a compression. The sign hash makes inner products unbiased (Chen et al. 2015, "Compressing
    Neural Networks with the Hashing Trick").

    Raises:
        SharingError: ``n_free`` is not between 1 and the number of entries.

    >>> hashed((4, 6), 3).n_free
    3
    """
    numel = math.prod(shape)
    if not 1 <= n_free <= numel:
        raise SharingError(f"between 1 and {numel} base weights expected for shape {shape}, got {n_free}")
    keys = np.arange(numel, dtype=np.uint64)
    index = (_mix(keys, 2 * seed) % np.uint64(n_free)).astype(np.int64)
    sign = np.where(_mix(keys, 2 * seed + 1) >> np.uint64(63), -1, 1)
    return IndexPattern(torch.from_numpy(index).reshape(shape), torch.from_numpy(sign).reshape(shape), n_free)
