"""Finite groups, as permutation groups given by generators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.basic import Defining, GivenPermutation, PointPermutation, Quotient, Sign, Trivial
from equishare.groups.given_matrices import GivenMatrices
from equishare.groups.group import Group, GroupError
from equishare.groups.irreps import decompose_regular
from equishare.groups.permutation import Permutation, compose, invert, is_permutation, side_by_side
from equishare.groups.representation import Representation

LARGEST_LISTED = 50_000  # groups above this order are used through their generators only


@dataclass(frozen=True, repr=False)
class FiniteGroup(Group):
    """A finite group of permutations of ``degree`` points; elements are tuples of images.

    ``vectors``, where given, are coordinates of the points in a space on which the group acts by matrices,
    M(g) x_i = x_g(i). Elements are listed only on demand, and only for orders up to 50,000.

    >>> from equishare import groups
    >>> G = groups.from_permutations([(1, 2, 0), (1, 0, 2)])
    >>> G.order, G.product((1, 2, 0), (1, 0, 2)), G.inverse((1, 2, 0))
    (6, (2, 1, 0), (2, 0, 1))
    """

    name: str
    generators: tuple[Permutation, ...]
    vectors: tuple[tuple[float, ...], ...] | None = None

    def __post_init__(self) -> None:
        if not self.generators or any(len(g) != len(self.generators[0]) for g in self.generators):
            raise GroupError(f"permutations of one number of points are needed, got {self.generators}")
        for g in self.generators:
            if not is_permutation(g):
                raise GroupError(f"not a permutation of 0..{len(g) - 1}: {g}")

    def __repr__(self) -> str:
        return self.name

    @property
    def degree(self) -> int:
        """The number of points."""
        return len(self.generators[0])

    @property
    def identity(self) -> Permutation:
        """The permutation that moves nothing."""
        return tuple(range(self.degree))

    def product(self, g: Permutation, h: Permutation) -> Permutation:
        """First h, then g."""
        return compose(g, h)

    def inverse(self, g: Permutation) -> Permutation:
        """The inverse permutation."""
        return invert(g)

    @cached_property
    def element_array(self) -> np.ndarray:
        """All elements as rows, the identity first, then coset by coset.

        Raises:
            GroupError: more than 50,000 elements.
        """
        listed = _dimino(self.generators, self.degree)
        if listed is None:
            raise GroupError(f"{self} has more than {LARGEST_LISTED} elements, too many to list; use its generators")
        return listed

    @cached_property
    def elements(self) -> tuple[Permutation, ...]:
        """All elements, the identity first."""
        return tuple(map(tuple, self.element_array.tolist()))

    @cached_property
    def _index(self) -> dict[bytes, int]:
        return {row.tobytes(): i for i, row in enumerate(self.element_array)}

    def indices(self, elements: np.ndarray) -> np.ndarray:
        """Positions in the list of elements, for rows of images."""
        rows = np.ascontiguousarray(elements, dtype=np.int32)
        try:
            return np.array([self._index[row.tobytes()] for row in rows], dtype=np.int64)
        except KeyError:
            raise GroupError(f"not all of the given permutations are elements of {self}") from None

    def index(self, g: Permutation) -> int:
        """Position of an element in the list."""
        return int(self.indices(np.asarray(g)[None])[0])

    @cached_property
    def order(self) -> int:
        """The number of elements; by the Schreier-Sims algorithm where they are too many to list."""
        listed = _dimino(self.generators, self.degree)
        return len(listed) if listed is not None else int(self._stabiliser_chain().order())

    def _stabiliser_chain(self) -> Any:
        from sympy.combinatorics import Permutation as SympyPermutation
        from sympy.combinatorics import PermutationGroup

        return PermutationGroup([SympyPermutation(list(g)) for g in self.generators])

    def random(self, generator: torch.Generator | None = None) -> Permutation:
        """A uniform element; by a chain of stabilisers where the group is too large to list."""

        def below(n: int) -> int:
            return int(torch.randint(n, (), generator=generator))

        if self.order <= LARGEST_LISTED:
            return self.elements[below(self.order)]
        g = self.identity
        for transversal in self._stabiliser_chain().basic_transversals:
            points = sorted(transversal)
            g = compose(g, tuple(transversal[points[below(len(points))]].array_form))
        return g

    def contains(self, g: Permutation) -> bool:
        """True if the permutation is an element."""
        if len(g) != self.degree or not is_permutation(g):
            return False
        if self.order <= LARGEST_LISTED:
            return np.asarray(g, dtype=np.int32).tobytes() in self._index
        from sympy.combinatorics import Permutation as SympyPermutation

        return bool(self._stabiliser_chain().contains(SympyPermutation(list(g))))

    def classes(self) -> list[tuple[Permutation, float]]:
        """One element of each conjugacy class with the class's share of the group."""
        count = self.order
        left = np.ones(len(self.element_array), dtype=bool)
        moves = [(np.asarray(s), np.asarray(invert(s))) for s in self.generators]
        found = []
        for i in range(count):
            if not left[i]:
                continue
            left[i], members = False, [i]
            for j in members:
                for s, s_inverse in moves:
                    k = self.index(tuple(s[self.element_array[j][s_inverse]].tolist()))
                    if left[k]:
                        left[k] = False
                        members.append(k)
            found.append((self.elements[i], len(members) / count))
        return found

    def subgroup(self, *generators: Permutation) -> FiniteGroup:
        """The subgroup that these elements generate."""
        for g in generators:
            if not self.contains(tuple(g)):
                raise GroupError(f"{g} is not an element of {self}")
        chosen = tuple(map(tuple, generators)) or (self.identity,)
        return FiniteGroup(f"<{', '.join(map(str, chosen))}>", chosen, self.vectors)

    def trivial(self) -> Trivial:
        """The representation g -> 1 on one number."""
        return Trivial(self)

    def sign(self) -> Sign:
        """The determinant on space where some elements are improper, else the parity of the permutation."""
        return Sign(self)

    def graph(self, images: Sequence[Permutation]) -> FiniteGroup:
        """The group on its own points and on others at once, given by images of the generators.

        It has the order of the group itself if, and only if, the images extend to a homomorphism.
        """
        return FiniteGroup(f"graph({self})", side_by_side(self.generators, images))

    def permutation(self) -> PointPermutation:
        """The action on the points."""
        return PointPermutation(self)

    def regular(self) -> Quotient:
        """The action on the group's own elements by multiplication from the left."""
        return Quotient(self, ())

    def quotient(self, subgroup: FiniteGroup) -> Quotient:
        """The action on the cosets xH of a subgroup."""
        self.subgroup(*subgroup.generators)
        trivial = subgroup.generators == (self.identity,)
        return Quotient(self, () if trivial else subgroup.generators)

    def action(self, images: Sequence[Sequence[int]]) -> GivenPermutation:
        """The action on other points, given by the images of the generators.

        Raises:
            GroupError: the images do not obey the group's relations.

        >>> from equishare import groups
        >>> complement = groups.cyclic(2).action([(3, 2, 1, 0)])   # A C G T -> T G C A
        >>> complement.size
        4
        """
        return GivenPermutation(self, tuple(tuple(map(int, g)) for g in images))

    def representation(self, matrices: Sequence[Tensor], name: str = "given") -> GivenMatrices:
        """The representation with these matrices of the generators, checked to be a homomorphism."""
        return GivenMatrices.of(self, matrices, name)

    def defining(self) -> Representation:
        """The action on space by matrices, for groups that have one."""
        if self.vectors is None:
            raise GroupError(f"{self} was given by permutations and acts on no space; use permutation()")
        return Defining(self, len(self.vectors[0]))

    def defining_matrix(self, g: Permutation) -> Float[Tensor, "size size"]:
        """The matrix M with M x_i = x_g(i) for all points."""
        points = torch.tensor(self.vectors, dtype=torch.float64)
        solved = torch.linalg.lstsq(points, points[list(g)]).solution.mT
        return snap(solved)

    def irreps(self) -> tuple[Representation, ...]:
        """All irreducible representations over the real numbers, up to equivalence, smallest first."""
        return decompose_regular(self)


def snap(matrix: Tensor) -> Tensor:
    """Entries within rounding of 0, +-1/2 and +-1 set to these, so that lattice symmetries are exact."""
    near = torch.round(matrix * 2) / 2
    return torch.where((matrix - near).abs() < 1e-13, near, matrix) + 0.0


def _dimino(generators: Sequence[Permutation], degree: int) -> np.ndarray | None:
    """All products of the generators by Dimino's algorithm; None above the largest listed order."""
    arrays = [np.asarray(g, dtype=np.int32) for g in generators]
    rows = np.arange(degree, dtype=np.int32)[None]
    known = {rows[0].tobytes()}
    for i, s in enumerate(arrays):
        if s.tobytes() in known:
            continue
        inner, blocks = rows, [rows]
        representatives = [rows[0]]
        for r in representatives:
            for t in arrays[: i + 1]:
                candidate = r[t]
                if candidate.tobytes() in known:
                    continue
                coset = inner[:, candidate]
                known.update(row.tobytes() for row in coset)
                blocks.append(coset)
                representatives.append(candidate)
                if len(known) > LARGEST_LISTED:
                    return None
        rows = np.concatenate(blocks)
    return rows
