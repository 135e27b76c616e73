"""The cosets of a subgroup, where there are finitely many: what moves among them, and by which element of the subgroup."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from equishare.groups.finite import FiniteGroup
from equishare.groups.group import Element, Group, GroupError
from equishare.groups.lie import LieGroup
from equishare.groups.mixed_product import MixedProduct
from equishare.groups.orthogonal import OrthogonalGroup


@dataclass(frozen=True)
class Cosets:
    """Elements x_i of a group, one of each coset x_i H of a subgroup H.

    Attributes:
        representatives: the x_i.
        moved: (g, i) -> (j, h) with g x_i = x_j h and h in H.
    """

    representatives: list[Element]
    moved: Callable[[Element, int], tuple[int, Element]]

    @classmethod
    def of(cls, subgroup: Group, group: Group) -> Cosets:
        """The cosets of a subgroup.

        Raises:
            GroupError: there are infinitely many, or it is not known how to tell them apart.

        >>> from equishare import groups
        >>> len(Cosets.of(groups.cyclic(4), groups.cyclic(4)).representatives), len(Cosets.of(groups.so3(), groups.o3()).representatives)
        (1, 2)
        """
        if subgroup == group:
            return cls([group.identity], lambda g, i: (0, g))
        if isinstance(subgroup, FiniteGroup) and isinstance(group, FiniteGroup):
            if all(group.contains(h) for h in subgroup.generators):
                return cls._of_permutations(subgroup, group)
        elif isinstance(subgroup, MixedProduct) and isinstance(group, MixedProduct):
            if len(subgroup.factors) == len(group.factors):
                return cls._of_factors([cls.of(h, g) for h, g in zip(subgroup.factors, group.factors, strict=True)])
        else:
            mirror = _mirror(subgroup, group)
            if mirror is not None:
                return cls._of_mirror(group.identity, mirror)
        raise GroupError(
            f"{subgroup} is not known as a subgroup with finitely many cosets in {group}: take G.subgroup(...) of a finite group, SO(d) for O(d), "
            "so(n) for o(n), or such ones factor by factor in a product. A subgroup with another Lie algebra has infinitely many cosets; for "
            "functions on them take irreps up to a degree"
        )

    @classmethod
    def _of_permutations(cls, subgroup: FiniteGroup, group: FiniteGroup) -> Cosets:
        first = group.quotient(subgroup).representatives
        coset = {group.product(x, h): i for i, x in enumerate(first) for h in subgroup.elements}

        def moved(g: Element, i: int) -> tuple[int, Element]:
            y = group.product(g, first[i])
            return coset[y], group.product(group.inverse(first[coset[y]]), y)

        return cls(list(first), moved)

    @classmethod
    def _of_mirror(cls, identity: Tensor, mirror: Tensor) -> Cosets:
        """The two cosets that the determinant tells apart."""
        first = [identity, mirror]

        def moved(g: Element, i: int) -> tuple[int, Element]:
            y = torch.as_tensor(g, dtype=torch.float64) @ first[i]
            j = int(torch.linalg.det(y) < 0)
            return j, first[j] @ y  # a mirror is its own inverse

        return cls(list(first), moved)

    @classmethod
    def _of_factors(cls, factors: list[Cosets]) -> Cosets:
        places = list(product(*(range(len(factor.representatives)) for factor in factors)))

        def moved(g: Element, i: int) -> tuple[int, Element]:
            ends = [factor.moved(x, k) for factor, x, k in zip(factors, g, places[i], strict=True)]
            return places.index(tuple(j for j, _ in ends)), tuple(h for _, h in ends)

        first = [tuple(f.representatives[k] for f, k in zip(factors, place, strict=True)) for place in places]
        return cls(first, moved)


def _mirror(subgroup: Group, group: Group) -> Tensor | None:
    """The element m = m^-1 of determinant -1 that makes a connected subgroup H the group H + m H, if that is what they are."""
    if isinstance(subgroup, OrthogonalGroup) and isinstance(group, OrthogonalGroup):
        same = subgroup.dimension == group.dimension and group.improper and not subgroup.improper
        return group.generators[-1] if same else None
    if not (isinstance(subgroup, LieGroup) and isinstance(group, LieGroup) and len(group.components) == 1):
        return None
    (mirror,) = group.components
    is_mirror = bool(torch.linalg.det(mirror) < 0) and torch.allclose(mirror @ mirror, group.identity)
    if not is_mirror or subgroup.basis != group.basis or not _connected(subgroup):
        return None
    algebra = torch.stack([a.flatten() for a in group.algebra])
    turned = torch.stack([(mirror @ a @ mirror).flatten() for a in group.algebra])
    return mirror if int(torch.linalg.matrix_rank(torch.cat([algebra, turned]))) == len(algebra) else None


def _connected(group: LieGroup) -> bool:
    """Whether no discrete elements but the identity are added to the exponentials."""
    return all(torch.equal(m, group.identity) for m in group.components)
