"""Cyclic and dihedral groups: the rotations, and the rotations and reflections, of a regular polygon."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.basic import Defining
from equishare.groups.finite import FiniteGroup, snap
from equishare.groups.group import GroupError
from equishare.groups.irreps import Irrep
from equishare.groups.permutation import Permutation


def rotation2d(angle: float) -> Float[Tensor, "2 2"]:
    """The rotation of the plane by an angle, counter-clockwise."""
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, -s], [s, c]], dtype=torch.float64)


@dataclass(frozen=True, repr=False)
class CyclicGroup(FiniteGroup):
    """C_n, the rotations of the plane by multiples of 2 pi / n; element k turns by 2 pi k / n."""

    def defining(self) -> Defining:
        """The 2x2 rotation matrices."""
        return Defining(self, 2)

    def defining_matrix(self, g: Permutation) -> Float[Tensor, "2 2"]:
        """The rotation by 2 pi k / n."""
        return snap(rotation2d(2 * math.pi * g[0] / self.degree))

    def irreps(self) -> tuple[Irrep, ...]:
        """Frequencies 0 .. n // 2: one-dimensional for 0 and n / 2, else rotations of a plane."""
        return tuple(self.irrep(m) for m in range(self.degree // 2 + 1))

    def irrep(self, frequency: int) -> Irrep:
        """The rotation of the plane by ``frequency`` times the angle; signs or ones where those suffice."""
        m = frequency % self.degree
        return Irrep(self, (m,), 1 if 2 * m % self.degree == 0 else 2)

    def irrep_matrix(self, label: tuple[int, ...], g: Permutation) -> Tensor:
        """The matrix of the irrep with this label."""
        m, n = label[0], self.degree
        matrix = snap(rotation2d(2 * math.pi * (m * g[0] % n) / n))
        return matrix[:1, :1].clone() if 2 * m % n == 0 else matrix


@dataclass(frozen=True, repr=False)
class DihedralGroup(FiniteGroup):
    """D_n, order 2n: elements 0..n-1 are rotations, n..2n-1 these after the reflection y -> -y."""

    @property
    def n(self) -> int:
        """The number of rotations."""
        return self.order // 2

    def rotation_and_flip(self, g: Permutation) -> tuple[int, bool]:
        """(k, f) with g = rotation by 2 pi k / n, after a reflection where f is true."""
        k, flip = self.index(g) % self.n, self.index(g) >= self.n
        return k, flip

    def defining_matrix(self, g: Permutation) -> Float[Tensor, "2 2"]:
        """The rotation, times diag(1, -1) for the second half of the elements."""
        k, flip = self.rotation_and_flip(g)
        return snap(rotation2d(2 * math.pi * k / self.n)) @ _mirror(flip)

    def irreps(self) -> tuple[Irrep, ...]:
        """Four (two for odd n) of dimension one, then the planes with frequencies 1 .. (n - 1) // 2."""
        lines = [(0, 0), (0, 1)] + ([(self.n // 2, 0), (self.n // 2, 1)] if self.n % 2 == 0 else [])
        planes = [(m, 0) for m in range(1, (self.n + 1) // 2)]
        return tuple(self.irrep(*label) for label in lines + planes)

    def irrep(self, frequency: int, odd: int = 0) -> Irrep:
        """The irrep of a frequency; if one-dimensional, with ``odd`` = 1 the one that reflections negate."""
        m = frequency % self.n
        if 2 * m % self.n == 0:
            return Irrep(self, (m, odd), 1)
        if odd:
            raise GroupError(f"frequency {frequency} of {self} is a plane and has one irrep only: use odd = 0")
        return Irrep(self, (m, 0), 2)

    def irrep_matrix(self, label: tuple[int, ...], g: Permutation) -> Tensor:
        """The matrix of the irrep with this label."""
        (m, odd), n = label, self.n
        k, flip = self.rotation_and_flip(g)
        matrix = snap(rotation2d(2 * math.pi * (m * k % n) / n))
        if 2 * m % n == 0:
            return matrix[:1, :1] * (-1.0 if odd and flip else 1.0)
        return matrix @ _mirror(flip)


def _mirror(flip: bool) -> Tensor:
    return torch.diag(torch.tensor([1.0, -1.0 if flip else 1.0], dtype=torch.float64))


def _check_order(n: int) -> None:
    if not isinstance(n, int) or n < 1:
        raise GroupError(f"a positive whole number of rotations is needed, got {n!r}")


def cyclic(n: int) -> CyclicGroup:
    """The cyclic group C_n of order n.

    >>> G = cyclic(4)
    >>> G, G.order, [irrep.size for irrep in G.irreps()]
    (C4, 4, [1, 2, 1])
    """
    _check_order(n)
    return CyclicGroup(f"C{n}", (tuple((i + 1) % n for i in range(n)),))


def dihedral(n: int) -> DihedralGroup:
    """The dihedral group D_n of order 2n; D_1 is one reflection, D_2 the symmetry of a rectangle.

    >>> dihedral(3).order, [irrep.size for irrep in dihedral(3).irreps()]
    (6, [1, 1, 2])
    """
    _check_order(n)
    if n == 1:
        return DihedralGroup("D1", ((0, 2, 1),), ((1.0, 0.0), (0.0, 1.0), (0.0, -1.0)))
    if n == 2:
        corners: tuple[tuple[float, ...], ...] = ((1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0))
        return DihedralGroup("D2", ((2, 3, 0, 1), (3, 2, 1, 0)), corners)
    corners = tuple((math.cos(2 * math.pi * i / n), math.sin(2 * math.pi * i / n)) for i in range(n))
    rotation = tuple((i + 1) % n for i in range(n))
    return DihedralGroup(f"D{n}", (rotation, tuple(-i % n for i in range(n))), corners)
