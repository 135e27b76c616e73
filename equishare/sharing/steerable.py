"""Filters that turn by any angle: a band-limited basis of rings times circular harmonics."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.cyclic import CyclicGroup, DihedralGroup, rotation2d
from equishare.groups.finite import FiniteGroup, snap
from equishare.groups.lattice import grid_coordinates, space_matrix
from equishare.groups.on_cpu import on_cpu
from equishare.groups.representation import Representation
from equishare.sharing.basis_pattern import BasisPattern
from equishare.sharing.composed_pattern import compose
from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.pattern import SharingError, SharingPattern
from equishare.sharing.repeated_pattern import RepeatedPattern
from equishare.sharing.reshaped_pattern import ReshapedPattern
from equishare.sharing.solver import solve

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


def sample_basis(kernel_size: int, matrix: Float[Tensor, "2 2"]) -> Float[Tensor, "taps functions"]:
    """Values at the taps x of the basis functions turned by a matrix, b(matrix^-1 x).

    b = exp(-(|x| - r)^2 / 2 s^2) times 1, or cos(m phi) and sin(m phi), with s = 0.6.
    """
    points = grid_coordinates((kernel_size, kernel_size)) @ matrix  # rows: matrix^-1 x, for orthogonal matrices
    radius = points.norm(dim=1)
    angle = torch.atan2(points[:, 1], points[:, 0])
    columns = []
    for r, m in ring_frequencies(kernel_size):
        ring = torch.exp(-((radius - r) ** 2) / (2 * RING_WIDTH**2))
        if m > 0:
            ring = torch.where(radius < 1e-9, 0.0, ring)  # a frequency has no value at the centre
        ring = ring / ring.norm()
        columns += (
            [ring] if m == 0 else [math.sqrt(2) * ring * (m * angle).cos(), math.sqrt(2) * ring * (m * angle).sin()]
        )
    return torch.stack(columns, dim=1)


def _check(group: FiniteGroup) -> CyclicGroup | DihedralGroup:
    if not isinstance(group, CyclicGroup | DihedralGroup):
        raise SharingError(f"steerable filters are for cyclic and dihedral groups of the plane, got {group}")
    return group


@lru_cache(maxsize=32)
def basis_representation(group: CyclicGroup | DihedralGroup, kernel_size: int) -> Representation:
    """How the group acts on the coefficients of the basis functions: turns of the (cos, sin) planes."""
    matrices = []
    for g in group.generators:
        space = space_matrix(group, g, 2)
        flip = bool(torch.linalg.det(space) < 0)
        turn = space @ torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64)) if flip else space
        angle = math.atan2(float(turn[1, 0]), float(turn[0, 0]))
        mirror = torch.diag(torch.tensor([1.0, -1.0 if flip else 1.0], dtype=torch.float64))
        blocks = [
            torch.ones(1, 1, dtype=torch.float64) if m == 0 else snap(rotation2d(m * angle)) @ mirror
            for _, m in ring_frequencies(kernel_size)
        ]
        matrices.append(torch.block_diag(*blocks))
    return group.representation(matrices, "harmonics")


@on_cpu
def steerable_convolution(group: FiniteGroup, kernel_size: int, field: Representation | None = None) -> SharingPattern:
    """The filter bank of one field of the regular representation, from one band-limited base filter.

    W[g, j, x] = sum_c w[g^-1 j, c] b_c(g^-1 x), b_c sampled at exact turned positions. The law holds exactly
    for functions on the plane and for those g that map the grid to itself; for the others, on sampled images,
    up to the error of sampling (Weiler & Cesa 2019, "General E(2)-Equivariant Steerable CNNs").

    Args:
        group: cyclic or dihedral, of any order.
        kernel_size: taps along each axis.
        field: the input field, acted on by permutations; the regular one by default.

    >>> from equishare import groups
    >>> steerable_convolution(groups.cyclic(8), 5)      # 13 functions on each of 8 input coordinates
    ComposedPattern(shape=(8, 8, 5, 5), n_free=104)
    """
    group = _check(group)
    field = group.regular() if field is None else field
    if field.kind != "permutation":
        raise SharingError(f"a field acted on by permutations is needed, got {field}")
    taps, order = kernel_size**2, group.order
    turned = torch.cat([sample_basis(kernel_size, space_matrix(group, g, 2)) for g in group.elements])
    copies = RepeatedPattern(BasisPattern(turned, (order, taps)), field.size)  # [source coordinate, g, x]
    index = np.empty((order, field.size, taps), dtype=np.int64)
    for row, g in enumerate(group.elements):
        back = field.signed_permutation(group.inverse(g))
        if back is None:
            raise SharingError(f"{field} does not act by permutations")
        index[row] = (back.image[:, None] * order + row) * taps + np.arange(taps)[None]
    placed = torch.from_numpy(index.reshape(order, field.size, kernel_size, kernel_size))
    return compose(IndexPattern(placed, None, field.size * order * taps), copies)


@on_cpu
def solve_steerable(
    group: FiniteGroup, kernel_size: int, field_in: Representation, field_out: Representation
) -> SharingPattern:
    """The band-limited filters between any two fields, from the intertwiners of the basis's coefficients.

    >>> from equishare import groups
    >>> G = groups.cyclic(8)
    >>> solve_steerable(G, 3, G.trivial(), G.trivial()).n_free      # two rings
    2
    """
    harmonics = basis_representation(_check(group), kernel_size)
    coefficients = solve(field_in * harmonics, field_out)
    sampled = sample_basis(kernel_size, torch.eye(2, dtype=torch.float64))
    pairs = field_out.size * field_in.size
    taps = RepeatedPattern(BasisPattern(sampled, (kernel_size, kernel_size)), pairs)
    shaped = ReshapedPattern(taps, (field_out.size, field_in.size, kernel_size, kernel_size))
    return compose(shaped, coefficients)
