"""Representations of a subgroup from those of a group, and back: restricted and induced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.cosets import Cosets
from equishare.groups.finite import FiniteGroup
from equishare.groups.group import Element, Group, GroupError
from equishare.groups.mixed_product import MixedProduct
from equishare.groups.on_cpu import on_cpu
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
    """Same permutations, or same matrices on space; factor by factor in products."""
    if (
        isinstance(group, MixedProduct)
        and isinstance(subgroup, MixedProduct)
        and len(group.factors) == len(subgroup.factors)
    ):
        parts = [_inclusion(g, h) for g, h in zip(group.factors, subgroup.factors, strict=True)]
        return lambda g: tuple(part(x) for part, x in zip(parts, g, strict=True))
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

    group: Group
    inner: Representation

    @cached_property
    def _cosets(self) -> Cosets:
        return Cosets.of(self.inner.group, self.group)

    @property
    def size(self) -> int:
        """The index of the subgroup times the size."""
        return len(self._cosets.representatives) * self.inner.size

    def matrix(self, g: Element) -> Float[Tensor, "size size"]:
        """Blocks rho(x_j^-1 g x_i)."""
        n, d = len(self._cosets.representatives), self.inner.size
        out = torch.zeros(n, d, n, d, dtype=torch.float64)
        for i in range(n):
            j, h = self._cosets.moved(g, i)
            out[j, :, i] = self.inner.matrix(h)
        return out.reshape(self.size, self.size)

    def derivative(self, a: Element) -> Float[Tensor, "size size"]:
        """Blocks of x_i^-1 a x_i: what is continuous stays in its coset."""
        return torch.block_diag(
            *(self.inner.derivative(_turned(self.group, a, x)) for x in self._cosets.representatives)
        )

    def __repr__(self) -> str:
        return f"induced({self.inner}, {self.group})"


def _turned(group: Group, a: Element, x: Element) -> Element:
    """x^-1 a x for an element a of the Lie algebra."""
    if isinstance(group, MixedProduct):
        return tuple(
            None if b is None else _turned(factor, b, y) for factor, b, y in zip(group.factors, a, x, strict=True)
        )
    return group.inverse(x) @ a @ x


@on_cpu
def induce(rep: Representation, group: Group) -> Representation:
    """The representation of a group that one of its subgroup induces, of one copy for each coset.

    It has finitely many numbers only where there are finitely many cosets, so that both groups have the same Lie algebra. Known are those of
    finite groups, of rotations among rotations and reflections (SO(d) in O(d), ``so(n)`` in ``o(n)``, and any connected ``LieGroup`` in the one
    that a mirror is added to), and of direct products, factor by factor.

    Args:
        rep: of the subgroup, such as ``group.subgroup(...)`` of a finite group, or SO(d) for O(d).
        group: the larger group.

    Raises:
        GroupError: the representation's group is none of these subgroups.

    Serre (1977), "Linear representations of finite groups", section 7.

    >>> from equishare import groups, sharing
    >>> D4 = groups.dihedral(4)
    >>> H = D4.subgroup(D4.generators[1])
    >>> induced = induce(H.trivial(), D4)
    >>> induced.size, sharing.solve(induced, D4.quotient(H)).n_free == sharing.solve(D4.quotient(H), D4.quotient(H)).n_free
    (4, True)
    >>> sharing.solve(induce(groups.so3().irrep(1), groups.o3()), groups.o3().irreps("1o+1e")).n_free      # both parities, once each
    2
    >>> H, G = (groups.direct(group, groups.symmetric(3)) for group in (groups.so(4), groups.o(4)))
    >>> induce(H.of_factor(0, groups.so(4).defining()), G).size
    8
    """
    induced = Induced(group, rep)
    _ = induced.size  # what is no subgroup is told here
    return induced
