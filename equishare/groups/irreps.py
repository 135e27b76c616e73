"""Irreducible representations of finite groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.group import GroupError
from equishare.groups.permutation import Permutation
from equishare.groups.representation import Representation

if TYPE_CHECKING:
    from equishare.groups.finite import FiniteGroup

LARGEST_DECOMPOSED = 2_000  # order up to which the regular representation is decomposed numerically


@dataclass(frozen=True, repr=False)
class Irrep(Representation):
    """An irreducible representation in closed form, named by a label (a frequency, a partition)."""

    group: FiniteGroup
    label: tuple[int, ...]
    dimension: int

    @property
    def size(self) -> int:
        """The dimension."""
        return self.dimension

    def matrix(self, g: Permutation) -> Float[Tensor, "size size"]:
        """The orthogonal matrix of g."""
        return self.group.irrep_matrix(self.label, g)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return f"irrep({self.group}, {','.join(map(str, self.label))})"


def count_tableaux(partition: tuple[int, ...]) -> int:
    """The number of standard Young tableaux, n! / prod(hook lengths) (Frame, Robinson & Thrall 1954).

    >>> count_tableaux((3, 2))
    5
    """
    columns = [sum(row > j for row in partition) for j in range(max(partition, default=0))]
    hooks = (row - j + columns[j] - i - 1 for i, row in enumerate(partition) for j in range(row))
    return math.factorial(sum(partition)) // math.prod(hooks)


@lru_cache(maxsize=256)
def standard_tableaux(partition: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Standard Young tableaux, each as the row of 0, 1, ..., n-1 in turn.

    >>> standard_tableaux((2, 1))
    ((0, 0, 1), (0, 1, 0))
    """
    if sum(partition) == 0:
        return ((),)
    found = []
    for row, length in enumerate(partition):
        below = partition[row + 1] if row + 1 < len(partition) else 0
        if length > below:
            smaller = tuple(p - (r == row) for r, p in enumerate(partition))
            found += [(*tableau, row) for tableau in standard_tableaux(smaller)]
    return tuple(sorted(found))


@lru_cache(maxsize=64)
def young_orthogonal(partition: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Matrices of the transpositions (i, i+1): 1/d on the diagonal, sqrt(1 - 1/d^2) between swapped tableaux.

    d is the axial distance, the difference of the contents (column - row) of i+1 and i.
    """
    tableaux = standard_tableaux(partition)
    where = {tableau: k for k, tableau in enumerate(tableaux)}
    n = sum(partition)
    swaps = []
    for i in range(n - 1):
        matrix = torch.zeros(len(tableaux), len(tableaux), dtype=torch.float64)
        for k, rows in enumerate(tableaux):
            columns = [rows[:j].count(rows[j]) for j in (i, i + 1)]
            distance = (columns[1] - rows[i + 1]) - (columns[0] - rows[i])
            matrix[k, k] = 1 / distance
            other = (*rows[:i], rows[i + 1], rows[i], *rows[i + 2 :])
            if other in where and other != rows:
                matrix[where[other], k] = (1 - 1 / distance**2) ** 0.5
        swaps.append(matrix)
    return tuple(swaps)


def adjacent_transpositions(g: Permutation) -> list[int]:
    """Indices i_1, i_2, ... with g = s_i1 s_i2 ..., s_i the transposition of i and i+1 (by sorting).

    >>> adjacent_transpositions((1, 2, 0))
    [0, 1]
    """
    image, word = list(g), []
    for end in range(len(image) - 1, 0, -1):
        for i in range(end):
            if image[i] > image[i + 1]:
                image[i], image[i + 1] = image[i + 1], image[i]
                word.append(i)
    return word[::-1]


@dataclass(frozen=True, repr=False, eq=False)
class Subrepresentation(Representation):
    """The action on an invariant subspace, rho(g) = V^T parent(g) V with orthonormal columns V."""

    parent: Representation
    basis: np.ndarray
    name: str

    @property
    def group(self) -> FiniteGroup:  # type: ignore[override]
        """The group that acts."""
        return self.parent.group  # type: ignore[return-value]

    @property
    def size(self) -> int:
        """The dimension of the subspace."""
        return self.basis.shape[1]

    def matrix(self, g: Permutation) -> Float[Tensor, "size size"]:
        """The restricted matrix."""
        action = self.parent.signed_permutation(g)
        if action is None:
            raise GroupError(f"{self.parent} does not act by permutations")
        moved = np.empty_like(self.basis)
        moved[action.image] = self.basis * action.sign[:, None]
        return torch.from_numpy(self.basis.T @ moved)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Subrepresentation)
            and (self.parent, self.name) == (other.parent, other.name)
            and np.array_equal(self.basis, other.basis)
        )

    def __hash__(self) -> int:
        return hash((self.parent, self.name))

    def __repr__(self) -> str:
        return self.name


@lru_cache(maxsize=32)
def decompose_regular(group: FiniteGroup) -> tuple[Representation, ...]:
    """All real irreps, cut out of the regular representation.

    The eigenspaces of a random symmetric matrix that commutes with the left action are irreducible with
    probability one (Dixon 1970, "Computing irreducible representations of groups", over the complex numbers).

    Raises:
        GroupError: the group has more than 2,000 elements.
    """
    if group.order > LARGEST_DECOMPOSED:
        raise GroupError(f"{group} has {group.order} elements; irreps are computed up to {LARGEST_DECOMPOSED}")
    regular = group.regular()
    inverse = group.indices(np.argsort(group.element_array, axis=1))
    # M[x, y] = f(x^-1 y) commutes with every left multiplication; f(h) = f(h^-1) makes it symmetric
    weights = np.random.default_rng(0).normal(size=group.order)
    weights = weights + weights[inverse]
    elements, inverses = group.element_array, group.element_array[inverse]
    matrix = np.stack([weights[group.indices(inverses[x][elements])] for x in range(group.order)])
    values, vectors = np.linalg.eigh(matrix)
    edges = np.flatnonzero(np.diff(values) > 1e-8 * np.abs(values).max()) + 1
    spaces: Sequence[np.ndarray] = np.split(vectors, edges, axis=1)
    classes = group.classes()
    found: dict[tuple[float, ...], np.ndarray] = {}
    for space in spaces:
        rep = Subrepresentation(regular, space, "")
        character = tuple(np.round([rep.character(g) for g, _ in classes], 6).tolist())
        found.setdefault(character, space)
    ordered = sorted(found.items(), key=lambda item: (item[1].shape[1], [-c for c in item[0]]))
    return tuple(Subrepresentation(regular, space, f"irrep({group}, {k})") for k, (_, space) in enumerate(ordered))
