"""Rotation and full symmetry groups of the cube and the icosahedron."""

from __future__ import annotations

import math

import torch

from equishare.groups.finite import FiniteGroup
from equishare.groups.generated import from_matrices
from equishare.groups.on_cpu import on_cpu

_INVERSION = -torch.eye(3, dtype=torch.float64, device="cpu")


@on_cpu
def octahedral(full: bool = False) -> FiniteGroup:
    """The 24 rotations of the cube (O), or with ``full`` its 48 rotations and rotoreflections (Oh).

    >>> octahedral().order, octahedral(full=True).order
    (24, 48)
    """
    quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    third = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    return from_matrices([quarter, third, *([_INVERSION] if full else [])], "Oh" if full else "O")


@on_cpu
def icosahedral(full: bool = False) -> FiniteGroup:
    """The 60 rotations of the icosahedron (I), or with ``full`` its 120 rotations and rotoreflections (Ih).

    >>> icosahedral().order, [irrep.size for irrep in icosahedral().irreps()]
    (60, [1, 3, 3, 4, 5])
    """
    golden = (1 + math.sqrt(5)) / 2
    # 2 pi / 5 about the vertex (0, 1, golden), by Rodrigues' formula, and 2 pi / 3 about (1, 1, 1)
    axis = torch.tensor([0.0, 1.0, golden], dtype=torch.float64)
    x, y, z = (axis / axis.norm()).tolist()
    cross = torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]], dtype=torch.float64)
    angle = 2 * math.pi / 5
    fifth = torch.eye(3, dtype=torch.float64) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    third = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    return from_matrices([fifth, third, *([_INVERSION] if full else [])], "Ih" if full else "I")
