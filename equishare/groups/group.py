"""The abstract group: what every group of this library can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import torch

from equishare.errors import EquishareError

if TYPE_CHECKING:
    from equishare.groups.representation import Representation

Element = Any  # a tuple of images for finite groups, an orthogonal matrix for compact ones


class GroupError(EquishareError):
    """A group, a group element or a representation is not what it was said to be."""


class Group(ABC):
    """A group given by generators; an immutable, hashable value.

    The product is a composition of maps, ``product(g, h)`` = first ``h``, then ``g``, so that every
    representation obeys rho(g h) = rho(g) rho(h). What needs only the generators (orbits, intertwiners) never
    lists the elements.
    """

    name: str
    algebra: tuple[Element, ...] = ()  # a basis of the Lie algebra, of groups that are given by theirs
    components: tuple[Element, ...] = ()  # elements that generate such a group together with the algebra
    generators: tuple[Element, ...]  # they generate the group, or a dense subgroup of a compact Lie group

    @property
    @abstractmethod
    def identity(self) -> Element:
        """The neutral element."""

    @abstractmethod
    def product(self, g: Element, h: Element) -> Element:
        """The element g h: first h, then g."""

    @abstractmethod
    def inverse(self, g: Element) -> Element:
        """The element with g^-1 g = 1."""

    @abstractmethod
    def random(self, generator: torch.Generator | None = None) -> Element:
        """An element drawn uniformly (from the Haar measure)."""

    @abstractmethod
    def classes(self) -> list[tuple[Element, float]]:
        """Pairs (element, weight): sum(weight * f(element)) is the mean of a class function f.

        Exact for finite groups; for the compact ones exact for products of characters up to total degree 250.
        """

    @abstractmethod
    def defining(self) -> Representation:
        """The representation by the matrices that define the group."""

    @abstractmethod
    def trivial(self) -> Representation:
        """The representation g -> 1 on one number."""

    @abstractmethod
    def sign(self) -> Representation:
        """The representation by +1 and -1.

        The determinant of the defining matrices where some are improper, else the parity of the permutations.
        """

    def __repr__(self) -> str:
        return self.name
