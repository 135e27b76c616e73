"""Direct and semidirect products, and the translations of a torus grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import overload

import numpy as np
import torch

from equishare.groups.finite import LARGEST_LISTED, FiniteGroup
from equishare.groups.group import Group, GroupError
from equishare.groups.mixed_product import MixedProduct, check_position, mixed_product
from equishare.groups.permutation import Permutation, is_permutation, side_by_side


@dataclass(frozen=True, repr=False)
class DirectProduct(FiniteGroup):
    """Pairs (g, h) that act on the points of both factors side by side."""

    factors: tuple[FiniteGroup, ...] = field(default=())

    @cached_property
    def order(self) -> int:
        """The product of the orders."""
        return math.prod(factor.order for factor in self.factors)

    def random(self, generator: torch.Generator | None = None) -> Permutation:
        """A uniform element of each factor."""
        image: list[int] = []
        for factor in self.factors:
            image += [len(image) + i for i in factor.random(generator)]
        return tuple(image)

    def embed(self, position: int, g: Permutation) -> Permutation:
        """The element that is g in one factor and the identity in the others."""
        check_position(self, position)
        image: list[int] = []
        for k, factor in enumerate(self.factors):
            start = len(image)
            image += [start + i for i in (g if k == position else factor.identity)]
        return tuple(image)


@overload
def direct(*factors: FiniteGroup) -> DirectProduct: ...
@overload
def direct(*factors: Group) -> DirectProduct | MixedProduct: ...
def direct(*factors: Group) -> DirectProduct | MixedProduct:
    """The direct product of groups: a group of permutations where all are, else of tuples of elements (``MixedProduct``).

    >>> from equishare import groups
    >>> direct(groups.cyclic(2), groups.symmetric(3)).order
    12
    """
    if not factors:
        raise GroupError("a direct product needs at least one factor")
    finite = tuple(factor for factor in factors if isinstance(factor, FiniteGroup))
    if len(finite) < len(factors):
        return mixed_product(factors)
    identities = tuple(tuple(factor.generators) for factor in finite)
    bare = DirectProduct("", (tuple(range(sum(f.degree for f in finite))),), None, finite)
    generators = tuple(bare.embed(k, g) for k, gens in enumerate(identities) for g in gens)
    return DirectProduct(" x ".join(map(repr, factors)), generators, None, finite)


def semidirect(
    normal: FiniteGroup, acting: FiniteGroup, action: Callable[[Permutation, Permutation], Permutation]
) -> FiniteGroup:
    """The semidirect product N x| H with (n, h) (m, k) = (n action(h, m), h k).

    It acts on the elements of N by (n, h) x = n action(h, x), and on the points of H.

    Args:
        normal: N, small enough to be listed.
        acting: H.
        action: ``action(h, n)`` for a generator h, an automorphism of N.

    Raises:
        GroupError: the maps are no automorphisms of N, or break the relations of H.

    >>> from equishare import groups
    >>> C5 = groups.cyclic(5)
    >>> semidirect(C5, groups.cyclic(2), lambda h, n: C5.inverse(n)).order   # D5
    10
    """
    elements = normal.elements
    twists = []
    for h in acting.generators:
        image = tuple(normal.index(action(h, n)) for n in elements)
        if not is_permutation(image):
            raise GroupError(f"the action of {h} is no bijection of {normal}")
        for s in normal.generators:
            left = normal.element_array[:, np.asarray(s)]
            expected = [
                normal.product(elements[image[i]], elements[image[normal.index(s)]]) for i in range(len(elements))
            ]
            if [elements[image[i]] for i in normal.indices(left)] != expected:
                raise GroupError(f"the action of {h} does not respect the product of {normal}")
        twists.append(image)
    if acting.graph(twists).order != acting.order:
        raise GroupError(f"the automorphisms break the relations of {acting}")
    shifts = [tuple(normal.regular().image(n).tolist()) for n in normal.generators]
    pairs = side_by_side([*shifts, *twists], [*([acting.identity] * len(shifts)), *acting.generators])
    return FiniteGroup(f"{normal} x| {acting}", pairs)


@dataclass(frozen=True, repr=False)
class TorusTranslations(FiniteGroup):
    """The translations of a grid with periodic borders, acting on the grid points in row-major order."""

    shape: tuple[int, ...] = ()

    @cached_property
    def order(self) -> int:
        """The number of grid points."""
        return math.prod(self.shape)

    def random(self, generator: torch.Generator | None = None) -> Permutation:
        """A uniform shift."""
        return _shift(self.shape, [int(torch.randint(n, (), generator=generator)) for n in self.shape])


def _shift(shape: Sequence[int], by: Sequence[int]) -> Permutation:
    grid = np.arange(math.prod(shape)).reshape(shape)
    moved = np.roll(grid, [-b for b in by], axis=tuple(range(len(shape))))
    return tuple(moved.ravel().tolist())


def translations(shape: int | Sequence[int]) -> TorusTranslations:
    """The translations of a torus grid in one, two or three dimensions.

    >>> T = translations((4, 5))
    >>> T, T.order, T.permutation().size
    (T(4x5), 20, 20)
    """
    size = (shape,) if isinstance(shape, int) else tuple(shape)
    if not 1 <= len(size) <= 3 or min(size) < 1:
        raise GroupError(f"one to three positive grid sizes are needed, got {shape}")
    units = [_shift(size, [int(k == axis) for k in range(len(size))]) for axis in range(len(size))]
    if math.prod(size) > 20 * LARGEST_LISTED:
        raise GroupError(f"a grid of {math.prod(size)} points is too large")
    return TorusTranslations(f"T({'x'.join(map(str, size))})", tuple(units), None, size)
