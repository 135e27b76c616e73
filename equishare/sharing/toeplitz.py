"""Convolution as weight sharing: the (doubly block) Toeplitz matrix of a convolution on a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral

import numpy as np
import torch

from equishare.errors import EquishareError
from equishare.groups.on_cpu import on_cpu
from equishare.sharing.basis_pattern import BasisPattern
from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.pattern import SharingError, SharingPattern

PADDING_MODES = ("zeros", "circular", "reflect", "replicate")


def per_axis(
    value: int | Sequence[int], dimension: int, name: str, error: type[EquishareError] = SharingError
) -> tuple[int, ...]:
    """One whole number for each axis: at least 1, but for the padding, which may be 0.

    >>> per_axis(3, 2, "kernel_size")
    (3, 3)
    """
    out = tuple(value) if isinstance(value, Sequence) else (value,) * dimension
    least = 0 if name == "padding" else 1
    if len(out) != dimension or any(not isinstance(n, Integral) or n < least for n in out):
        raise error(f"{name}: {dimension} whole numbers of at least {least} expected, got {out}")
    return tuple(map(int, out))


def _sources(n: int, k: int, stride: int, padding: int, dilation: int, mode: str) -> np.ndarray:
    """The input position that each (output position, tap) reads; -1 for a zero of the border."""
    outputs = (n + 2 * padding - dilation * (k - 1) - 1) // stride + 1
    if outputs < 1 or (mode == "reflect" and padding >= n) or (mode == "circular" and padding > n):
        raise SharingError(f"kernel {k}, dilation {dilation}, {mode} padding {padding} do not fit a grid of {n}")
    position = stride * np.arange(outputs)[:, None] + dilation * np.arange(k)[None] - padding
    if mode == "circular":
        return position % n
    if mode == "replicate":
        return position.clip(0, n - 1)
    if mode == "reflect":
        position = np.abs(position)
        return np.where(position >= n, 2 * (n - 1) - position, position)
    return np.where((position < 0) | (position >= n), -1, position)


@on_cpu
def toeplitz(
    kernel_size: int | Sequence[int],
    grid: int | Sequence[int],
    *,
    in_channels: int = 1,
    out_channels: int = 1,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    padding_mode: str = "zeros",
) -> SharingPattern:
    """The pattern of the matrix by which a convolution acts on flattened grids, in 1, 2 or 3 dimensions.

    ``pattern.expand(conv.weight.flatten()) @ x.flatten()`` is what ``torch.nn.ConvNd`` computes without bias,
    rows and columns in the order [channel, position]. Index form, except where a border makes two taps read
    the same input (reflect and replicate padding, or a circle shorter than the kernel): then a sparse basis.

    Raises:
        SharingError: the kernel does not fit the grid, or an argument is malformed.

    >>> pattern = toeplitz(2, 3)
    >>> pattern.expand(torch.tensor([1.0, 2.0]))
    tensor([[1., 2., 0.],
            [0., 1., 2.]])
    """
    sizes = (grid,) if isinstance(grid, int) else tuple(grid)
    d = len(sizes)
    if padding_mode not in PADDING_MODES:
        raise SharingError(f"padding_mode: one of {PADDING_MODES} expected, got {padding_mode!r}")
    kernel = per_axis(kernel_size, d, "kernel_size")
    settings = [per_axis(v, d, s) for v, s in ((stride, "stride"), (padding, "padding"), (dilation, "dilation"))]
    axes = [_sources(n, k, s, p, q, padding_mode) for n, k, s, p, q in zip(sizes, kernel, *settings, strict=True)]
    # source[output position, tap] over all axes at once
    source = np.zeros((1, 1), dtype=np.int64)
    for n, axis in zip(sizes, axes, strict=True):
        flat = np.where(
            (source[:, None, :, None] < 0) | (axis[None, :, None, :] < 0),
            -1,
            source[:, None, :, None] * n + axis[None, :, None, :],
        )
        source = flat.reshape(source.shape[0] * axis.shape[0], source.shape[1] * axis.shape[1])
    n_out, taps, n_in = source.shape[0], source.shape[1], math.prod(sizes)
    output, tap = np.nonzero(source >= 0)
    rows, inputs = output, source[output, tap]
    # all pairs of channels
    o, i = np.meshgrid(np.arange(out_channels), np.arange(in_channels), indexing="ij")
    o, i = o.reshape(-1, 1), i.reshape(-1, 1)
    shape = (out_channels * n_out, in_channels * n_in)
    entry = ((o * n_out + rows) * shape[1] + i * n_in + inputs).ravel()
    base = ((o * in_channels + i) * taps + tap).ravel()
    n_free = out_channels * in_channels * taps
    if len(np.unique(entry)) == len(entry):
        index = np.full(math.prod(shape), -1, dtype=np.int64)
        index[entry] = base
        return IndexPattern(torch.from_numpy(index.reshape(shape)), None, n_free)
    where = torch.from_numpy(np.stack([entry, base]))
    ones = torch.ones(len(entry), dtype=torch.float64)
    return BasisPattern(torch.sparse_coo_tensor(where, ones, (math.prod(shape), n_free), check_invariants=False), shape)
