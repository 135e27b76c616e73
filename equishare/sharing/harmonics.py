"""Functions on the plane and in space that turn among themselves: shells times harmonics."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.change_of_group import restrict
from equishare.groups.cyclic import rotation2d
from equishare.groups.finite import FiniteGroup, snap
from equishare.groups.group import Group
from equishare.groups.lattice import space_matrix
from equishare.groups.orthogonal import OrthogonalGroup, o3
from equishare.groups.representation import Representation, direct_sum
from equishare.sharing.pattern import SharingError


@dataclass(frozen=True)
class Harmonics:
    """The functions exp(-(|x| - r)^2 / 2 s^2) Y(x / |x|) of some shells: cos and sin of m phi in the plane, Y_lm in space.

    Attributes:
        dimension: 2 or 3.
        shells: (radius r, frequency m or degree l) of each.
        width: s.
    """

    dimension: int
    shells: tuple[tuple[float, int], ...]
    width: float

    def sizes(self) -> list[int]:
        """The number of functions of each shell."""
        return [(1 if m == 0 else 2) if self.dimension == 2 else 2 * m + 1 for _, m in self.shells]

    def values(self, points: Float[Tensor, "points dimension"]) -> Float[Tensor, "points functions"]:
        """All functions at some points; harmonics of the first degree and up vanish at the origin."""
        away = points.detach().square().sum(1, keepdim=True) > 1e-18
        somewhere = torch.where(away, points, 1)  # at the origin nothing has a derivative
        length = torch.linalg.vector_norm(somewhere, dim=1, keepdim=True)
        radius, direction = torch.where(away, length, 0), somewhere / length
        columns = []
        for r, m in self.shells:
            ring = torch.exp(-((radius - r) ** 2) / (2 * self.width**2))
            columns.append(ring if m == 0 else torch.where(away, ring * self._angular(direction, m), 0))
        return torch.cat(columns, dim=1)

    def _angular(self, direction: Tensor, degree: int) -> Tensor:
        """Harmonics of one degree, of mean square 1 over directions."""
        if self.dimension == 3:
            from e3nn.o3 import spherical_harmonics

            return spherical_harmonics(degree, direction, normalize=False, normalization="component")
        power = torch.view_as_complex(direction.contiguous()) ** degree
        return math.sqrt(2) * torch.view_as_real(power)

    def representation(self, group: Group) -> Representation:
        """How the group acts on the coefficients.

        Raises:
            SharingError: the group does not act on this space.
        """
        degrees = [m for _, m in self.shells]
        if isinstance(group, OrthogonalGroup) and group.dimension == self.dimension:
            if self.dimension == 2:
                return direct_sum(*((1, group.irrep(m)) for m in degrees))
            return group.irreps(_natural(degrees))
        if not isinstance(group, FiniteGroup) or group.defining().size != self.dimension:
            raise SharingError(f"a group that turns {self.dimension} dimensions is needed, got {group}")
        if self.dimension == 3:
            parts = [restrict(o3().irreps(_natural([m])), group) for m in sorted(set(degrees))]
            known = dict(zip(sorted(set(degrees)), parts, strict=True))
            return direct_sum(*((1, known[m]) for m in degrees))
        return group.representation([self._planar(space_matrix(group, g, 2)) for g in group.generators], "harmonics")

    def _planar(self, space: Tensor) -> Tensor:
        """The matrix of a turn or reflection of the plane."""
        flip = bool(torch.linalg.det(space) < 0)
        mirror = torch.diag(torch.tensor([1.0, -1.0 if flip else 1.0], dtype=torch.float64))
        turn = space @ mirror
        angle = math.atan2(float(turn[1, 0]), float(turn[0, 0]))
        one = torch.ones(1, 1, dtype=torch.float64)
        return torch.block_diag(*(one if m == 0 else snap(rotation2d(m * angle)) @ mirror for _, m in self.shells))


def _natural(degrees: list[int]) -> str:
    """Irreps of natural parity, as e3nn writes them."""
    return "+".join(f"{m}{'eo'[m % 2]}" for m in degrees)
