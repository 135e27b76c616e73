"""Direct products of groups of any kind, and representations of one factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.basic import Trivial
from equishare.groups.group import Element, Group, GroupError
from equishare.groups.representation import Representation


@dataclass(frozen=True, repr=False)
class MixedProduct(Group):
    """Tuples of elements, one of each factor: rotations and permutations at once."""

    factors: tuple[Group, ...]

    @property
    def name(self) -> str:  # type: ignore[override]
        """The factors, joined by x."""
        return " x ".join(map(repr, self.factors))

    @cached_property
    def algebra(self) -> tuple[Any, ...]:  # type: ignore[override]
        """The algebras side by side: tuples with None where a factor does not move."""
        return tuple(self._alone(k, a) for k, factor in enumerate(self.factors) for a in factor.algebra)

    @cached_property
    def components(self) -> tuple[Any, ...]:  # type: ignore[override]
        """What the algebra does not reach: discrete elements, and generators of factors without an algebra."""
        return tuple(
            self.embed(k, g)
            for k, factor in enumerate(self.factors)
            for g in (factor.components if factor.algebra else factor.generators)
        )

    @cached_property
    def generators(self) -> tuple[Any, ...]:  # type: ignore[override]
        """The generators of each factor."""
        return tuple(self.embed(k, g) for k, factor in enumerate(self.factors) for g in factor.generators)

    def _alone(self, position: int, a: Element) -> tuple[Any, ...]:
        return tuple(a if k == position else None for k in range(len(self.factors)))

    def embed(self, position: int, g: Element) -> tuple[Any, ...]:
        """The element that is g in one factor and the identity in the others."""
        check_position(self, position)
        return tuple(g if k == position else factor.identity for k, factor in enumerate(self.factors))

    def of_factor(self, position: int, rep: Representation) -> Representation:
        """The representation by which one factor acts, and the others do nothing."""
        return OfFactor(self, position, rep)

    @property
    def identity(self) -> tuple[Any, ...]:
        """The identities."""
        return tuple(factor.identity for factor in self.factors)

    def product(self, g: Element, h: Element) -> tuple[Any, ...]:
        """Factor by factor."""
        return tuple(f.product(a, b) for f, a, b in zip(self.factors, g, h, strict=True))

    def inverse(self, g: Element) -> tuple[Any, ...]:
        """Factor by factor."""
        return tuple(f.inverse(a) for f, a in zip(self.factors, g, strict=True))

    def random(self, generator: torch.Generator | None = None) -> tuple[Any, ...]:
        """A random element of each factor."""
        return tuple(f.random(generator) for f in self.factors)

    def classes(self) -> list[tuple[Element, float]]:
        """Products of the factors' classes."""
        found: list[tuple[tuple[Any, ...], float]] = [((), 1.0)]
        for factor in self.factors:
            found = [((*g, h), w * v) for g, w in found for h, v in factor.classes()]
        return list(found)

    def trivial(self) -> Trivial:
        """The representation g -> 1 on one number."""
        return Trivial(self)

    def sign(self) -> Representation:
        """None: name the factor.

        Raises:
            GroupError: always.
        """
        raise GroupError(f"{self} has a sign for each factor: of_factor(position, factor.sign())")

    def defining(self) -> Representation:
        """None: name the factor.

        Raises:
            GroupError: always.
        """
        raise GroupError(f"the factors of {self} act on spaces of their own: of_factor(position, factor.defining())")


def check_position(group: Any, position: int) -> None:
    """Raise GroupError unless a product has a factor at this position."""
    if not 0 <= position < len(group.factors):
        raise GroupError(f"{group} has the factors 0 to {len(group.factors) - 1}, got {position}")


@dataclass(frozen=True, repr=False)
class OfFactor(Representation):
    """The representation of a product by which one factor acts."""

    group: MixedProduct
    position: int
    inner: Representation

    def __post_init__(self) -> None:
        check_position(self.group, self.position)
        if self.inner.group != self.group.factors[self.position]:
            raise GroupError(f"factor {self.position} of {self.group} is not the group of {self.inner}")

    @property
    def size(self) -> int:
        """The size of the factor's representation."""
        return self.inner.size

    def matrix(self, g: Element) -> Float[Tensor, "size size"]:
        """The matrix of the factor's part of g."""
        return self.inner.matrix(g[self.position])

    def derivative(self, a: Element) -> Float[Tensor, "size size"]:
        """That of the factor, zero for what moves another one."""
        if a[self.position] is None:
            return torch.zeros(self.size, self.size, dtype=torch.float64)
        return self.inner.derivative(a[self.position])

    def __repr__(self) -> str:
        return f"{self.inner}"


def mixed_product(factors: Sequence[Group]) -> MixedProduct:
    """The direct product of groups that are not all finite.

    >>> from equishare import groups, sharing
    >>> G = groups.direct(groups.o3(), groups.symmetric(5))
    >>> vectors = G.of_factor(1, groups.symmetric(5).permutation()) * G.of_factor(0, groups.o3().defining())
    >>> sharing.solve(vectors, vectors).n_free       # five vectors: each one's own, and their sum
    2
    """
    return MixedProduct(tuple(factors))
