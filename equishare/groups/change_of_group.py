"""Representations of a subgroup from those of a group, and back: restricted and induced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.finite import FiniteGroup
from equishare.groups.group import Element, Group, GroupError
from equishare.groups.orthogonal import OrthogonalGroup
from equishare.groups.representation import Representation


@dataclass(frozen=True, repr=False)
class Restricted(Representation):
    """The representation of a subgroup by the elements of the larger group that its own elements are."""

    group: Group
    inner: Representation
    inclusion: Callable[[Element], Element]

    @property
    def size(self) -> int:
        """The same size."""
        return self.inner.size

    def matrix(self, g: Element) -> Float[Tensor, "size size"]:
        """The matrix of the element in the larger group."""
        return self.inner.matrix(self.inclusion(g))

    def derivative(self, a: Element) -> Float[Tensor, "size size"]:
        """The same: the subgroup's algebra is part of the larger one."""
        return self.inner.derivative(a)

    def __repr__(self) -> str:
        return f"{self.inner} of {self.group}"


def restrict(
    rep: Representation, subgroup: Group, inclusion: Callable[[Element], Element] | None = None
) -> Representation:
    """A representation of a group as one of a subgroup.

    Args:
        rep: of the larger group.
        subgroup: any group whose elements are elements of it.
        inclusion: from an element of the subgroup to the element of the larger group that it is. Without it, elements are the
            same permutations, or the same matrices on space.

    Raises:
        GroupError: it is not known which elements the subgroup's are.

    >>> from equishare import groups, sharing
    >>> D4, C4 = groups.dihedral(4), groups.cyclic(4)
    >>> restrict(D4.regular(), C4).size, sharing.solve(restrict(D4.defining(), C4), C4.defining()).n_free
    (8, 2)
    >>> cube = groups.octahedral()
    >>> sharing.solve(restrict(groups.o3().irreps("2e"), cube), cube.trivial()).n_free       # no quadrupole on a cubic site
    0
    """
    include = inclusion or _inclusion(rep.group, subgroup)
    restricted = Restricted(subgroup, rep, include)
    for g in subgroup.generators:
        for h in subgroup.generators:
            wrong = restricted.matrix(subgroup.product(g, h)) - restricted.matrix(g) @ restricted.matrix(h)
            if float(wrong.abs().max()) > 1e-8:
                raise GroupError(f"the inclusion of {subgroup} in {rep.group} does not respect products")
    return restricted


def _inclusion(group: Group, subgroup: Group) -> Callable[[Element], Element]:
    """Same permutations, or same matrices on space."""
    finite, matrices = isinstance(group, FiniteGroup), subgroup.defining
    if isinstance(group, FiniteGroup) and isinstance(subgroup, FiniteGroup):
        if all(group.contains(g) for g in subgroup.generators):
            return lambda g: g
        table = {_key(group.defining().matrix(g)): g for g in group.elements}
        found = [table.get(_key(matrices().matrix(g))) for g in subgroup.generators]
        if None in found:
            raise GroupError(
                f"not all elements of {subgroup} act on space as elements of {group} do: give the inclusion"
            )
        return lambda g: table[_key(matrices().matrix(g))]
    if finite or matrices().size != group.defining().size:
        raise GroupError(f"{subgroup} does not act on the space of {group}: give the inclusion")
    return lambda g: matrices().matrix(g)


def _key(matrix: Tensor) -> tuple[int, ...]:
    return tuple((matrix * 1e6).round().long().flatten().tolist())


@dataclass(frozen=True, repr=False)
class Induced(Representation):
    """One copy of a subgroup's representation for each coset x_i H: g x_i = x_j h moves copy i to j, turned by h."""

    group: FiniteGroup
    subgroup: FiniteGroup
    inner: Representation

    @cached_property
    def _cosets(self) -> tuple[list[Element], dict[Element, int]]:
        """An element of each coset, and the coset of every element."""
        group = self.group
        first = group.quotient(self.subgroup).representatives
        return first, {group.product(x, h): i for i, x in enumerate(first) for h in self.subgroup.elements}

    @property
    def size(self) -> int:
        """The index of the subgroup times the size."""
        return len(self._cosets[0]) * self.inner.size

    def matrix(self, g: Element) -> Float[Tensor, "size size"]:
        """Blocks rho(x_j^-1 g x_i)."""
        first, coset = self._cosets
        out = torch.zeros(len(first), self.inner.size, len(first), self.inner.size, dtype=torch.float64)
        for i, x in enumerate(first):
            moved = self.group.product(g, x)
            j = coset[moved]
            out[j, :, i] = self.inner.matrix(self.group.product(self.group.inverse(first[j]), moved))
        return out.reshape(self.size, self.size)

    def __repr__(self) -> str:
        return f"induced({self.inner}, {self.group})"


@dataclass(frozen=True, repr=False)
class InducedByRotations(Representation):
    """Two copies of a representation of SO(d), for the cosets of 1 and of an improper element m of O(d)."""

    group: OrthogonalGroup
    inner: Representation

    @property
    def size(self) -> int:
        """Twice the size."""
        return 2 * self.inner.size

    def matrix(self, g: Element) -> Float[Tensor, "size size"]:
        """Blocks rho(x_j^-1 g x_i) for x = 1, m."""
        g, flip = self.group.defining_matrix(g), self.group.generators[-1]
        if float(torch.linalg.det(g)) > 0:
            return torch.block_diag(self.inner.matrix(g), self.inner.matrix(flip.mT @ g @ flip))
        none = torch.zeros(self.inner.size, self.inner.size, dtype=torch.float64)
        to_first, to_second = self.inner.matrix(g @ flip), self.inner.matrix(flip.mT @ g)
        return torch.cat([torch.cat([none, to_first], dim=1), torch.cat([to_second, none], dim=1)])

    def __repr__(self) -> str:
        return f"induced({self.inner}, {self.group})"


def induce(rep: Representation, group: FiniteGroup | OrthogonalGroup) -> Representation:
    """The representation of a group that one of its subgroup induces.

    Args:
        rep: of ``group.subgroup(...)`` of a finite group, or of SO(d) for O(d).
        group: the larger group.

    Raises:
        GroupError: the representation's group is no subgroup, of the same permutations.

    >>> from equishare import groups, sharing
    >>> D4 = groups.dihedral(4)
    >>> H = D4.subgroup(D4.generators[1])
    >>> induced = induce(H.trivial(), D4)
    >>> induced.size, sharing.solve(induced, D4.quotient(H)).n_free == sharing.solve(D4.quotient(H), D4.quotient(H)).n_free
    (4, True)
    >>> sharing.solve(induce(groups.so3().irrep(1), groups.o3()), groups.o3().irreps("1o+1e")).n_free      # both parities, once each
    2
    """
    subgroup = rep.group
    if isinstance(group, OrthogonalGroup) and group.improper and subgroup == replace(group, improper=False):
        return InducedByRotations(group, rep)
    if not (isinstance(group, FiniteGroup) and isinstance(subgroup, FiniteGroup)) or not all(
        group.contains(g) for g in subgroup.generators
    ):
        raise GroupError(
            f"a representation of a subgroup of {group} is needed, got one of {subgroup}: use {group}.subgroup(...), or SO(d) for O(d)"
        )
    return Induced(group, subgroup, rep)
