"""Filters that turn by any angle: a band-limited basis of rings times circular harmonics."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.cyclic import CyclicGroup, DihedralGroup
from equishare.groups.finite import FiniteGroup
from equishare.groups.group import Group
from equishare.groups.lattice import grid_coordinates, space_matrix
from equishare.groups.on_cpu import on_cpu
from equishare.groups.representation import Representation
from equishare.sharing.basis_pattern import BasisPattern
from equishare.sharing.bilinear import bilinear
from equishare.sharing.composed_pattern import compose
from equishare.sharing.harmonics import Harmonics
from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.pattern import SharingError, SharingPattern
from equishare.sharing.repeated_pattern import RepeatedPattern
from equishare.sharing.reshaped_pattern import ReshapedPattern

RING_WIDTH = 0.6  # pixels; measured, with the spacing, to keep the sampling error low
RING_SPACING = 0.8


def ring_frequencies(kernel_size: int) -> list[tuple[float, int]]:
    """(radius, frequency) of the basis functions: rings 0.8 pixels apart, frequencies up to twice the radius.

    A ring of radius r crosses about 2 pi r pixels, so frequencies up to pi r could be told apart. The limit
    of 2 r, and rings that end before the border of the kernel, keep samples of turned filters close to turned
    samples.

    >>> ring_frequencies(3)
    [(0.0, 0), (0.8, 0), (0.8, 1), (0.8, 2)]
    """
    first = 0.0 if kernel_size % 2 else 0.5
    radii = [RING_SPACING * (first + r) for r in range((kernel_size + 1) // 2)]
    return [(r, m) for r in radii for m in range(round(2 * r) + 1)]


def grid_harmonics(kernel_size: int, dimension: int) -> Harmonics:
    """The band-limited functions of a kernel: the rings of ``ring_frequencies``, in space shells of the same radii and degrees."""
    return Harmonics(dimension, tuple(ring_frequencies(kernel_size)), RING_WIDTH)


def sample_harmonics(
    kernel_size: int, dimension: int, matrix: Float[Tensor, "d d"] | None = None
) -> Float[Tensor, "taps functions"]:
    """Values at the taps x of the functions turned by a matrix, b(matrix^-1 x), each shell scaled to length one."""
    harmonics = grid_harmonics(kernel_size, dimension)
    points = grid_coordinates((kernel_size,) * dimension)
    if matrix is not None:
        points = points @ matrix  # rows: matrix^-1 x, for orthogonal matrices
    shells = harmonics.values(points).split(harmonics.sizes(), dim=1)
    return torch.cat([shell * (shell.shape[1] ** 0.5 / shell.norm()) for shell in shells], dim=1)


def _dimension(group: FiniteGroup) -> int:
    """That of the space which the group turns."""
    if not isinstance(group, FiniteGroup) or (
        group.vectors is None and not isinstance(group, CyclicGroup | DihedralGroup)
    ):
        raise SharingError(f"steerable filters are for finite groups of the plane and of space, got {group}")
    return group.defining().size


@on_cpu
def steerable_convolution(group: FiniteGroup, kernel_size: int, field: Representation | None = None) -> SharingPattern:
    """The filter bank of one field of the regular representation, from one band-limited base filter.

    W[g, j, x] = sum_c w[g^-1 j, c] b_c(g^-1 x), b_c sampled at exact turned positions. The law holds exactly
    for functions on the plane and for those g that map the grid to itself; for the others, on sampled images,
    up to the error of sampling (Weiler & Cesa 2019, "General E(2)-Equivariant Steerable CNNs").

    Args:
        group: cyclic or dihedral of any order, or a finite group of space such as the icosahedral ones.
        kernel_size: taps along each axis.
        field: the input field, acted on by permutations; the regular one by default.

    >>> from equishare import groups
    >>> steerable_convolution(groups.cyclic(8), 5)      # 13 functions on each of 8 input coordinates
    ComposedPattern(shape=(8, 8, 5, 5), n_free=104)
    """
    dimension = _dimension(group)
    field = group.regular() if field is None else field
    if field.kind != "permutation":
        raise SharingError(f"a field acted on by permutations is needed, got {field}")
    taps, order = kernel_size**dimension, group.order
    turned = torch.cat(
        [sample_harmonics(kernel_size, dimension, space_matrix(group, g, dimension)) for g in group.elements]
    )
    copies = RepeatedPattern(BasisPattern(turned, (order, taps)), field.size)  # [source coordinate, g, x]
    index = np.empty((order, field.size, taps), dtype=np.int64)
    for row, g in enumerate(group.elements):
        back = field.signed_permutation(group.inverse(g))
        if back is None:
            raise SharingError(f"{field} does not act by permutations")
        index[row] = (back.image[:, None] * order + row) * taps + np.arange(taps)[None]
    placed = torch.from_numpy(index.reshape(order, field.size, *(kernel_size,) * dimension))
    return compose(IndexPattern(placed, None, field.size * order * taps), copies)


@on_cpu
def solve_steerable(
    group: Group, kernel_size: int, field_in: Representation, field_out: Representation, dimension: int = 2
) -> SharingPattern:
    """The band-limited filters between any two fields, from the bilinear maps of input and harmonics.

    For cyclic, dihedral, SO(2) and O(2) in the plane, for SO(3), O(3) and every finite group of rotations in space (Weiler et al. 2018,
    "3D Steerable CNNs"). On the plane and in space the law is exact; on a grid, for those g that map it to itself.

    >>> from equishare import groups
    >>> G = groups.cyclic(8)
    >>> solve_steerable(G, 3, G.trivial(), G.trivial()).n_free      # two rings
    2
    >>> SO2 = groups.so2()
    >>> solve_steerable(SO2, 3, SO2.trivial(), SO2.irrep(1)).n_free      # one ring with frequency 1: radial and tangential
    2
    """
    harmonics = grid_harmonics(kernel_size, dimension)
    coefficients = bilinear(field_in, harmonics.representation(group), field_out)
    kernel = (kernel_size,) * dimension
    taps = RepeatedPattern(
        BasisPattern(sample_harmonics(kernel_size, dimension), kernel), field_out.size * field_in.size
    )
    return compose(ReshapedPattern(taps, (field_out.size, field_in.size, *kernel)), coefficients)
