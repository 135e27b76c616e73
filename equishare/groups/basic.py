"""The elementary representations: trivial, sign, permutation, regular, quotient, defining, and given ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.group import Element, Group, GroupError
from equishare.groups.permutation import Permutation, SignedPermutation, is_permutation, parity
from equishare.groups.representation import Representation

if TYPE_CHECKING:
    from equishare.groups.finite import FiniteGroup


@dataclass(frozen=True, repr=False)
class Trivial(Representation):
    """rho(g) = 1."""

    group: Group

    @property
    def size(self) -> int:
        """One."""
        return 1

    def matrix(self, g: Element) -> Float[Tensor, "size size"]:
        """[[1]]."""
        return torch.ones(1, 1, dtype=torch.float64)

    def derivative(self, a: Element) -> Float[Tensor, "size size"]:
        """[[0]]."""
        return torch.zeros(1, 1, dtype=torch.float64)

    def __repr__(self) -> str:
        return f"trivial({self.group})"


@dataclass(frozen=True, repr=False)
class Sign(Representation):
    """rho(g) = determinant of the defining matrix if some are improper, else parity of the permutation."""

    group: Group

    @property
    def size(self) -> int:
        """One."""
        return 1

    @cached_property
    def _by_determinant(self) -> bool:
        try:
            defining = self.group.defining()
        except GroupError:
            return False
        return any(torch.linalg.det(defining.matrix(g)) < 0 for g in self.group.generators)

    def matrix(self, g: Element) -> Float[Tensor, "size size"]:
        """[[+1]] or [[-1]]."""
        if self._by_determinant:
            value = 1.0 if torch.linalg.det(self.group.defining().matrix(g)) > 0 else -1.0
        else:
            value = float(parity(g)) if isinstance(g, tuple) else 1.0
        return torch.tensor([[value]], dtype=torch.float64)

    def __repr__(self) -> str:
        return f"sign({self.group})"


class _ByPermutation(Representation):
    """A representation by permutation matrices: subclasses give the image of each basis vector."""

    def image(self, g: Element) -> np.ndarray:
        """Where each basis vector goes."""
        raise NotImplementedError

    def matrix(self, g: Element) -> Float[Tensor, "size size"]:
        """The permutation matrix."""
        return self.signed_permutation(g).matrix()

    def signed_permutation(self, g: Element) -> SignedPermutation:
        """The permutation; all signs are +1."""
        return SignedPermutation.unsigned(self.image(g))

    def character(self, g: Element) -> float:
        """The number of fixed points."""
        return float(self.signed_permutation(g).trace)


@dataclass(frozen=True, repr=False)
class PointPermutation(_ByPermutation):
    """The action of a permutation group on its points."""

    group: FiniteGroup

    @property
    def size(self) -> int:
        """The number of points."""
        return self.group.degree

    def image(self, g: Element) -> np.ndarray:
        """The permutation itself."""
        return np.asarray(g, dtype=np.int64)

    def __repr__(self) -> str:
        return f"permutation({self.group})"


@dataclass(frozen=True, repr=False)
class Quotient(_ByPermutation):
    """The action on the cosets xH of a subgroup H, g: xH -> gxH; the regular representation for H = 1.

    >>> from equishare import groups
    >>> D4 = groups.dihedral(4)
    >>> D4.quotient(D4.subgroup(D4.generators[1])).size
    4
    """

    group: FiniteGroup
    subgroup: tuple[Permutation, ...]  # generators of H

    @cached_property
    def _cosets(self) -> tuple[np.ndarray, np.ndarray]:
        """Number of the coset of each element, and one element of each coset (the first, so 1 for H)."""
        elements = self.group.element_array
        inner = self.group.subgroup(*self.subgroup).element_array
        coset = np.full(len(elements), -1)
        representatives: list[int] = []
        for i in range(len(elements)):
            if coset[i] < 0:
                coset[self.group.indices(elements[i][inner])] = len(representatives)
                representatives.append(i)
        return coset, np.asarray(representatives)

    @property
    def size(self) -> int:
        """The index of H in G."""
        return len(self._cosets[1])

    @property
    def representatives(self) -> list[Permutation]:
        """One element x of each coset xH, in the order of the basis; the first is the identity."""
        return [self.group.elements[i] for i in self._cosets[1]]

    def image(self, g: Element) -> np.ndarray:
        """The coset of g x for each coset x."""
        coset, representatives = self._cosets
        moved = np.asarray(g)[self.group.element_array[representatives]]
        return coset[self.group.indices(moved)]

    def character(self, g: Element) -> float:
        """The number of fixed cosets; known without counting for the regular representation."""
        if not self.subgroup:
            return float(self.group.order if g == self.group.identity else 0)
        return super().character(g)

    def __repr__(self) -> str:
        return f"quotient({self.group}/{self.subgroup})" if self.subgroup else f"regular({self.group})"


@dataclass(frozen=True, repr=False)
class GivenPermutation(_ByPermutation):
    """An action on points that the user gives by the images of the generators."""

    group: FiniteGroup
    images: tuple[Permutation, ...]

    def __post_init__(self) -> None:
        group, images = self.group, self.images
        if len(images) != len(group.generators) or len({len(g) for g in images}) != 1:
            raise GroupError(
                f"{group} has {len(group.generators)} generators; got {len(images)} images on "
                f"{sorted({len(g) for g in images})} points"
            )
        for g in images:
            if not is_permutation(g):
                raise GroupError(f"not a permutation of 0..{len(g) - 1}: {g}")
        if self._joint.order != group.order:
            raise GroupError(
                f"the images are no action of {group}: they break its relations "
                f"(the pairs generate {self._joint.order} elements, the group has {group.order})"
            )

    @property
    def size(self) -> int:
        """The number of points acted on."""
        return len(self.images[0])

    @cached_property
    def _joint(self) -> FiniteGroup:
        return self.group.graph(self.images)

    @cached_property
    def _table(self) -> dict[Permutation, Permutation]:
        degree = self.group.degree
        return {e[:degree]: tuple(i - degree for i in e[degree:]) for e in self._joint.elements}

    def image(self, g: Element) -> np.ndarray:
        """The image, found among the generators first, then among all elements."""
        if g in self.group.generators:
            return np.asarray(self.images[self.group.generators.index(g)], dtype=np.int64)
        return np.asarray(self._table[g], dtype=np.int64)

    def __repr__(self) -> str:
        return f"action({self.group}, {self.size} points)"


@dataclass(frozen=True, repr=False)
class Defining(Representation):
    """The representation by the matrices that define the group (rotations, reflections of space)."""

    group: Group
    dimension: int

    @property
    def size(self) -> int:
        """The dimension of space."""
        return self.dimension

    def matrix(self, g: Element) -> Float[Tensor, "size size"]:
        """The matrix."""
        return self.group.defining_matrix(g)  # type: ignore[attr-defined]

    def derivative(self, a: Element) -> Float[Tensor, "size size"]:
        """The element itself."""
        return self.group.defining_matrix(a)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return f"defining({self.group})"
