"""The rotation and rotoreflection groups of the plane and of space, SO(2), O(2), SO(3), O(3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.basic import Defining, Sign, Trivial
from equishare.groups.group import Group, GroupError
from equishare.groups.representation import Representation, direct_sum

if TYPE_CHECKING:
    from e3nn.o3 import Irreps

_ANGLE = math.pi * (3 - math.sqrt(5))  # the golden angle: its multiples are dense, and evenly so
_NODES = 256


@dataclass(frozen=True, repr=False)
class OrthogonalGroup(Group):
    """SO(d) or, with ``improper``, O(d), for d = 2, 3; elements are orthogonal matrices in double precision.

    The generators are turns by the golden angle (about x and z for d = 3), which generate a dense subgroup,
    and an improper element. What commutes with them commutes, by continuity, with the whole group.
    """

    dimension: int
    improper: bool

    @property
    def name(self) -> str:  # type: ignore[override]
        """SO(2), O(2), SO(3) or O(3)."""
        return f"{'O' if self.improper else 'SO'}({self.dimension})"

    @property
    def generators(self) -> tuple[Tensor, ...]:  # type: ignore[override]
        """Turns by the golden angle, and for O(d) a reflection (d = 2) or the inversion (d = 3)."""
        if self.dimension == 2:
            turns = [_rotation(2, 0, 1, _ANGLE)]
        else:
            turns = [_rotation(3, 0, 1, _ANGLE), _rotation(3, 1, 2, _ANGLE)]
        return (*turns, self._flip()) if self.improper else tuple(turns)

    def _flip(self) -> Tensor:
        """An element of determinant -1."""
        eye = torch.eye(self.dimension, dtype=torch.float64)
        return -eye if self.dimension == 3 else torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))

    @property
    def identity(self) -> Tensor:
        """The unit matrix."""
        return torch.eye(self.dimension, dtype=torch.float64)

    def product(self, g: Tensor, h: Tensor) -> Tensor:
        """The matrix product."""
        return g @ h

    def inverse(self, g: Tensor) -> Tensor:
        """The transposed matrix."""
        return g.mT

    def random(self, generator: torch.Generator | None = None) -> Float[Tensor, "d d"]:
        """A matrix from the Haar measure: Q of a Gaussian matrix, signs by R's diagonal (Mezzadri 2007)."""
        gauss = torch.randn(self.dimension, self.dimension, generator=generator, dtype=torch.float64)
        q, r = torch.linalg.qr(gauss)
        q = q * torch.sign(torch.diagonal(r))
        if not self.improper and torch.linalg.det(q) < 0:
            q = q @ torch.diag(torch.tensor([-1.0] + [1.0] * (self.dimension - 1), dtype=torch.float64))
        return q

    def classes(self) -> list[tuple[Tensor, float]]:
        """Turns by the angles 2 pi k / 256 with the weights of Weyl's integration formula."""
        angles = [2 * math.pi * k / _NODES for k in range(_NODES)]
        if self.dimension == 2:
            turns = [(_rotation(2, 0, 1, a), 1 / _NODES) for a in angles]
            if not self.improper:
                return turns
            return [(g, w / 2) for g, w in turns] + [(self._flip(), 0.5)]
        turns = [(_rotation(3, 0, 1, a), (1 - math.cos(a)) / _NODES) for a in angles]
        if not self.improper:
            return turns
        return [(sign * g, w / 2) for sign in (1.0, -1.0) for g, w in turns]

    def trivial(self) -> Trivial:
        """The representation g -> 1 on one number."""
        return Trivial(self)

    def sign(self) -> Sign:
        """The determinant."""
        return Sign(self)

    def defining(self) -> Defining:
        """The matrices themselves."""
        return Defining(self, self.dimension)

    def defining_matrix(self, g: Tensor) -> Float[Tensor, "d d"]:
        """The matrix itself."""
        return torch.as_tensor(g, dtype=torch.float64)

    def irreps(self, irreps: str | Irreps) -> Representation:
        """The representation of O(3) that e3nn writes as ``irreps`` (for SO(3) the parities do nothing).

        >>> o3().irreps("2x0e + 1o").size
        5
        """
        from e3nn.o3 import Irreps as E3nnIrreps

        if self.dimension != 3:
            raise GroupError(f"e3nn's irreps are those of O(3), not of {self}; use irrep(frequency)")
        parsed = E3nnIrreps(irreps)
        terms = [(mul, RotationIrrep(self, (ir.l, ir.p))) for mul, ir in parsed if mul > 0]
        if not terms:
            raise GroupError(f"irreps {irreps!r} are empty")
        return direct_sum(*terms)

    def irrep(self, frequency: int) -> Representation:
        """The plane that SO(2) or O(2) turns by ``frequency`` times the angle; of SO(3) the irrep of this degree.

        >>> so2().irrep(3).size, so3().irrep(3).size
        (2, 7)
        """
        if self.dimension == 3:
            if self.improper or frequency < 0:
                raise GroupError(f"irreps of {self} are named by irreps('1o')")
            return self.irreps(f"{frequency}{'eo'[frequency % 2]}")
        return self.trivial() if frequency == 0 else RotationIrrep(self, (abs(frequency),))


@dataclass(frozen=True, repr=False)
class RotationIrrep(Representation):
    """An irrep of SO(3) or O(3) by degree and parity in e3nn's basis, of SO(2) or O(2) by frequency."""

    group: OrthogonalGroup
    label: tuple[int, ...]

    @cached_property
    def size(self) -> int:
        """2 l + 1 in space, 2 in the plane."""
        return 2 * self.label[0] + 1 if self.group.dimension == 3 else 2

    def matrix(self, g: Tensor) -> Float[Tensor, "size size"]:
        """The Wigner matrix of e3nn, times the parity for improper g."""
        g = torch.as_tensor(g, dtype=torch.float64)
        flip = bool(torch.linalg.det(g) < 0)
        if self.group.dimension == 3:
            degree, parity = self.label
            return _wigner(degree, -g if flip else g) * (parity if flip else 1)
        angle = self.label[0] * math.atan2(float(g[1, 0]), float(g[0, 0]))
        turn = _rotation(2, 0, 1, angle)
        return turn @ torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64)) if flip else turn

    def matrices(self, elements: Float[Tensor, "elements d d"]) -> Float[Tensor, "elements size size"]:
        """The matrices of many elements at once."""
        if self.group.dimension == 2:
            return torch.stack([self.matrix(g) for g in elements])
        degree, parity = self.label
        sign = torch.linalg.det(elements).sign().reshape(-1, 1, 1)
        return _wigner(degree, elements * sign) * (sign if parity < 0 else 1)

    def __repr__(self) -> str:
        if self.group.dimension == 2:
            return f"irrep({self.group}, {self.label[0]})"
        return f"{self.label[0]}{'e' if self.label[1] > 0 else 'o'}"


@lru_cache(maxsize=32)
def _sphere_points(degree: int) -> tuple[Tensor, Tensor]:
    """Points on the sphere and the pseudo-inverse of the spherical harmonics of one degree on them."""
    from e3nn.o3 import spherical_harmonics

    count = 4 * degree + 4
    z = 1 - (2 * torch.arange(count, dtype=torch.float64) + 1) / count
    angle = _ANGLE * torch.arange(count, dtype=torch.float64)
    radius = (1 - z**2).sqrt()
    points = torch.stack([radius * angle.cos(), radius * angle.sin(), z], dim=1)
    return points, torch.linalg.pinv(spherical_harmonics(degree, points, normalize=False))


def _wigner(degree: int, rotation: Tensor) -> Tensor:
    """D with Y(R x) = D Y(x), from points on the sphere: Euler angles would lose half the digits."""
    from e3nn.o3 import spherical_harmonics

    if degree == 0:  # not one to rounding: what no rotation moves is invariant
        return torch.ones(*rotation.shape[:-2], 1, 1, dtype=torch.float64)
    points, inverse = _sphere_points(degree)
    return (inverse @ spherical_harmonics(degree, points @ rotation.mT, normalize=False)).mT


def _rotation(size: int, i: int, j: int, angle: float) -> Tensor:
    """The turn by an angle in the plane of axes i and j."""
    out = torch.eye(size, dtype=torch.float64)
    c, s = math.cos(angle), math.sin(angle)
    out[i, i], out[j, j], out[j, i], out[i, j] = c, c, s, -s
    return out


def so2() -> OrthogonalGroup:
    """The rotations of the plane."""
    return OrthogonalGroup(2, False)


def o2() -> OrthogonalGroup:
    """The rotations and reflections of the plane."""
    return OrthogonalGroup(2, True)


def so3() -> OrthogonalGroup:
    """The rotations of space."""
    return OrthogonalGroup(3, False)


def o3() -> OrthogonalGroup:
    """The rotations and rotoreflections of space."""
    return OrthogonalGroup(3, True)
