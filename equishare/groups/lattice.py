"""How a group of space moves the points of a centred grid: pixels of an image, taps of a filter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.basic import _ByPermutation
from equishare.groups.finite import FiniteGroup
from equishare.groups.group import Element, GroupError


def grid_coordinates(shape: tuple[int, ...]) -> Float[Tensor, "points dimension"]:
    """Positions of grid points about the centre, in row-major order.

    In the plane they are (x, y) = (column, -row), so that turns are counter-clockwise on the screen; on the
    line and in space they are the array's own axes.

    >>> grid_coordinates((1, 2)).tolist()
    [[-0.5, -0.0], [0.5, -0.0]]
    """
    axes = [torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in shape]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, len(shape))
    return torch.stack([points[:, 1], -points[:, 0]], dim=1) if len(shape) == 2 else points


def space_matrix(group: FiniteGroup, g: Element, dimension: int) -> Float[Tensor, "dimension dimension"]:
    """The matrix by which g acts on space; on the line it is the sign representation.

    Raises:
        GroupError: the group acts on a space of another dimension.
    """
    if dimension == 1:
        return group.sign().matrix(g)
    rep = group.defining()
    if rep.size != dimension:
        raise GroupError(f"{group} acts on {rep.size} dimensions, the grid has {dimension}")
    return rep.matrix(g)


@dataclass(frozen=True, repr=False)
class GridPermutation(_ByPermutation):
    """The action on the points of a centred grid, x -> M(g) x.

    Raises:
        GroupError: a generator does not map the grid to itself.
    """

    group: FiniteGroup
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        for g in self.group.generators:
            self.image(g)

    @property
    def size(self) -> int:
        """The number of points."""
        return math.prod(self.shape)

    def image(self, g: Element) -> np.ndarray:
        """Where each grid point goes."""
        points = grid_coordinates(self.shape)
        moved = points @ space_matrix(self.group, g, len(self.shape)).mT
        if len(self.shape) == 2:
            moved = torch.stack([-moved[:, 1], moved[:, 0]], dim=1)
        half = (torch.tensor(self.shape, dtype=torch.float64) - 1) / 2
        cells = moved + half
        rounded = cells.round()
        inside = (rounded >= 0) & (rounded <= 2 * half)
        if float((cells - rounded).abs().max()) > 1e-9 or not bool(inside.all()):
            raise GroupError(f"{self.group} does not map the {'x'.join(map(str, self.shape))} grid to itself")
        return np.ravel_multi_index(tuple(rounded.long().numpy().T), self.shape)

    def __repr__(self) -> str:
        return f"grid({self.group}, {'x'.join(map(str, self.shape))})"


def grid_permutation(group: FiniteGroup, shape: tuple[int, ...]) -> GridPermutation:
    """The permutation of the points of a centred grid by a group of space.

    On the line a group acts by its sign representation, in the plane and in space by its defining one.

    Raises:
        GroupError: the group does not act on this space, or does not map the grid to itself.

    >>> from equishare import groups
    >>> grid_permutation(groups.cyclic(4), (2, 2)).image((1, 2, 3, 0)).tolist()   # counter-clockwise
    [2, 0, 3, 1]
    """
    return GridPermutation(group, tuple(shape))
