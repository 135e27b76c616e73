"""Sharing at random: the hashing trick."""

from __future__ import annotations

import math

import torch
from jaxtyping import Int
from torch import Tensor

from equishare.groups.on_cpu import on_cpu
from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.pattern import SharingError

_MASK = (1 << 64) - 1


def _signed(value: int) -> int:
    """The two's complement int64 of 64 unsigned bits: torch multiplies and adds these modulo 2^64."""
    value &= _MASK
    return value - (1 << 64) if value >> 63 else value


def _shifted(z: Tensor, bits: int) -> Tensor:
    """A logical shift to the right; torch's own copies the sign."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def _mix(keys: Tensor, seed: int) -> Tensor:
    """SplitMix64's finaliser (Steele, Lea & Flood 2014): 64 well-mixed bits a key."""
    z = keys + _signed(seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15)
    z = (z ^ _shifted(z, 30)) * _signed(0xBF58476D1CE4E5B9)
    z = (z ^ _shifted(z, 27)) * _signed(0x94D049BB133111EB)
    return z ^ _shifted(z, 31)


def signed_hash(entries: Int[Tensor, "*n"], n_free: int, seed: int = 0) -> Int[Tensor, "*n"]:
    """Two hashes of whole numbers in one: h(e) in [0, n_free) where xi(e) = +1, and h(e) + n_free where xi(e) = -1.

    It indexes ``torch.cat([w, -w])``: one gather gives xi(e) w[h(e)].

    >>> signed_hash(torch.tensor([0, 1, 2, 3]), 5)
    tensor([0, 5, 5, 8])
    """
    keys = entries.long()
    bits = _mix(keys, 2 * seed)
    index = (_shifted(bits, 1) % n_free * 2 + (bits & 1)) % n_free  # the remainder of the unsigned number
    return index + n_free * (_mix(keys, 2 * seed + 1) < 0)


@on_cpu
def hashed(shape: tuple[int, ...], n_free: int, seed: int = 0) -> IndexPattern:
    """A weight of any shape from ``n_free`` base weights, W[e] = xi(e) * w[h(e)] with hashes h and xi = +-1.

    Not a symmetry: a compression. The sign hash makes inner products unbiased (Weinberger et al. 2009; Chen et al. 2015,
    "Compressing Neural Networks with the Hashing Trick").

    Raises:
        SharingError: ``n_free`` is not between 1 and the number of entries.

    >>> hashed((4, 6), 3).n_free
    3
    """
    numel = math.prod(shape)
    if not 1 <= n_free <= numel:
        raise SharingError(f"between 1 and {numel} base weights expected for shape {shape}, got {n_free}")
    index = signed_hash(torch.arange(numel), n_free, seed).reshape(shape)
    return IndexPattern(index % n_free, torch.where(index < n_free, 1, -1), n_free)
