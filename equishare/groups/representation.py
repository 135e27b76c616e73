"""Representations: how a group acts on vectors; sums, products, multiples and duals of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral, Real
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.group import Element, Group, GroupError
from equishare.groups.on_cpu import on_cpu
from equishare.groups.permutation import SignedPermutation


class Representation(ABC):
    """A homomorphism rho from a group to invertible matrices, rho(g h) = rho(g) rho(h); an immutable value.

    ``a + b`` is the direct sum, ``3 * a`` a multiple, ``a * b`` the tensor product (first factor slowest).

    >>> from equishare import groups
    >>> rep = 3 * groups.dihedral(4).regular() + groups.dihedral(4).trivial()
    >>> rep, rep.size, rep.kind
    (3*regular(D4) + trivial(D4), 25, 'permutation')
    """

    group: Group

    @property
    @abstractmethod
    def size(self) -> int:
        """The dimension of the space acted on."""

    @abstractmethod
    def matrix(self, g: Element) -> Float[Tensor, "size size"]:
        """rho(g), in double precision."""

    def derivative(self, a: Element) -> Float[Tensor, "size size"]:
        """How an element of the Lie algebra acts: the derivative of rho(exp(t a)) at t = 0.

        Raises:
            GroupError: it is not known for this representation.
        """
        raise GroupError(f"how the Lie algebra of {self.group} acts by {self} is not known")

    @cached_property
    @on_cpu
    def orthogonal(self) -> bool:
        """Whether all elements act by orthogonal matrices, which keep lengths."""
        eye = torch.eye(self.size, dtype=torch.float64)
        found = [self.matrix(g) for g in self.group.generators]
        return all(float((m @ m.mT - eye).abs().max()) < 1e-9 for m in found)

    def signed_permutation(self, g: Element) -> SignedPermutation | None:
        """rho(g) as a signed permutation, None if it is none."""
        return SignedPermutation.from_matrix(self.matrix(g))

    @cached_property
    @on_cpu
    def kind(self) -> Literal["permutation", "signed", "matrix"]:
        """What all elements act by: permutations, signed permutations or other matrices."""
        found = [self.signed_permutation(g) for g in self.group.generators]
        if any(p is None for p in found):
            return "matrix"
        return "permutation" if all((p.sign > 0).all() for p in found if p is not None) else "signed"

    @cached_property
    @on_cpu
    def invariants(self) -> int | None:
        """The size, if the group leaves every vector alone; else None."""
        one = all(
            torch.equal(part.matrix(g), torch.eye(part.size, dtype=torch.float64))
            for _, part in self.parts
            for g in self.group.generators
        )
        return self.size if one else None

    def character(self, g: Element) -> float:
        """The trace of rho(g)."""
        return float(self.matrix(g).trace())

    @property
    def parts(self) -> tuple[tuple[int, Representation], ...]:
        """The (multiplicity, representation) pairs that this is the direct sum of."""
        return ((1, self),)

    def dual(self) -> Representation:
        """The action on the dual space, g -> rho(g^-1) transposed."""
        return Dual(self)

    def __call__(self, g: Element) -> Float[Tensor, "size size"]:
        """rho(g), as ``matrix(g)``."""
        return self.matrix(g)

    def __add__(self, other: Representation) -> Representation:
        if not isinstance(other, Representation):
            return NotImplemented
        return direct_sum(*self.parts, *other.parts)

    def __mul__(self, other: Representation) -> Representation:
        if not isinstance(other, Representation):
            return NotImplemented
        return TensorProduct(self, other)

    def __rmul__(self, multiple: int) -> Representation:
        if not isinstance(multiple, Real):
            return NotImplemented
        if not isinstance(multiple, Integral) or multiple < 1:
            raise GroupError(f"a multiple of a representation needs a whole number from 1 up, got {multiple!r}")
        multiple = int(multiple)
        if len(self.parts) == 1:
            (inner, rep), *_ = self.parts
            return direct_sum((multiple * inner, rep))
        return DirectSum(((multiple, self),)) if multiple > 1 else self


def same_group(*reps: Representation) -> Group:
    """The group of all of them, or an error."""
    groups = {rep.group for rep in reps}
    if len(groups) != 1:
        raise GroupError(f"representations of one group are needed, got {sorted(map(repr, groups))}")
    return reps[0].group


def require_representation(*reps: object) -> None:
    """Raise GroupError unless all of these are representations."""
    for rep in reps:
        if not isinstance(rep, Representation):
            raise GroupError(f"a representation such as G.regular() or 3 * G.trivial() is expected, got {rep!r}")


def direct_sum(*parts: tuple[int, Representation]) -> Representation:
    """The direct sum of (multiplicity, representation) pairs; equal neighbours are merged."""
    merged: list[tuple[int, Representation]] = []
    for count, rep in parts:
        if merged and merged[-1][1] == rep:
            merged[-1] = (merged[-1][0] + count, rep)
        else:
            merged.append((count, rep))
    return merged[0][1] if len(merged) == 1 and merged[0][0] == 1 else DirectSum(tuple(merged))


@dataclass(frozen=True, repr=False)
class DirectSum(Representation):
    """Blocks on the diagonal: each part acts on its own coordinates, copies of one part side by side."""

    terms: tuple[tuple[int, Representation], ...]

    def __post_init__(self) -> None:
        same_group(*(rep for _, rep in self.terms))

    @property
    def group(self) -> Group:  # type: ignore[override]
        """The group that acts."""
        return self.terms[0][1].group

    @property
    def parts(self) -> tuple[tuple[int, Representation], ...]:
        """The (multiplicity, representation) pairs."""
        return self.terms

    @cached_property
    def size(self) -> int:
        """The sum of the sizes."""
        return sum(count * rep.size for count, rep in self.terms)

    def matrix(self, g: Element) -> Float[Tensor, "size size"]:
        """The block-diagonal matrix."""
        blocks: list[Tensor] = []
        for count, rep in self.terms:
            blocks += [rep.matrix(g)] * count
        return torch.block_diag(*blocks)

    def derivative(self, a: Element) -> Float[Tensor, "size size"]:
        """The block-diagonal matrix of the derivatives."""
        blocks: list[Tensor] = []
        for count, rep in self.terms:
            blocks += [rep.derivative(a)] * count
        return torch.block_diag(*blocks)

    def signed_permutation(self, g: Element) -> SignedPermutation | None:
        """The signed permutation of all blocks, None if some block has none."""
        images, signs, offset = [], [], 0
        for count, rep in self.terms:
            part = rep.signed_permutation(g)
            if part is None:
                return None
            shifts = offset + rep.size * np.arange(count)
            images.append((shifts[:, None] + part.image[None]).ravel())
            signs.append(np.tile(part.sign, count))
            offset += count * rep.size
        return SignedPermutation(np.concatenate(images), np.concatenate(signs))

    def character(self, g: Element) -> float:
        """The sum of the characters."""
        return sum(count * rep.character(g) for count, rep in self.terms)

    def __repr__(self) -> str:
        def term(count: int, rep: Representation) -> str:
            inner = f"({rep})" if isinstance(rep, DirectSum) else repr(rep)
            return inner if count == 1 else f"{count}*{inner}"

        return " + ".join(term(count, rep) for count, rep in self.terms)


@dataclass(frozen=True, repr=False)
class TensorProduct(Representation):
    """rho(g) = left(g) kron right(g): the action on pairs of coordinates, the left one slowest.

    >>> from equishare import groups
    >>> points = groups.symmetric(5).permutation()
    >>> (points * points).size     # ordered pairs
    25
    """

    left: Representation
    right: Representation

    def __post_init__(self) -> None:
        same_group(self.left, self.right)

    @property
    def group(self) -> Group:  # type: ignore[override]
        """The group that acts."""
        return self.left.group

    @property
    def size(self) -> int:
        """The product of the sizes."""
        return self.left.size * self.right.size

    def matrix(self, g: Element) -> Float[Tensor, "size size"]:
        """The Kronecker product."""
        return torch.kron(self.left.matrix(g).contiguous(), self.right.matrix(g).contiguous())

    def derivative(self, a: Element) -> Float[Tensor, "size size"]:
        """By the product rule."""
        eyes = [torch.eye(rep.size, dtype=torch.float64) for rep in (self.left, self.right)]
        left, right = (rep.derivative(a).contiguous() for rep in (self.left, self.right))
        return torch.kron(left, eyes[1]) + torch.kron(eyes[0], right)

    def signed_permutation(self, g: Element) -> SignedPermutation | None:
        """The signed permutation of pairs, None if a factor has none."""
        left, right = self.left.signed_permutation(g), self.right.signed_permutation(g)
        if left is None or right is None:
            return None
        image = (left.image[:, None] * self.right.size + right.image[None]).ravel()
        return SignedPermutation(image, (left.sign[:, None] * right.sign[None]).ravel())

    def character(self, g: Element) -> float:
        """The product of the characters."""
        return self.left.character(g) * self.right.character(g)

    def __repr__(self) -> str:
        return " * ".join(f"({r})" if isinstance(r, DirectSum) else repr(r) for r in (self.left, self.right))


@dataclass(frozen=True, repr=False)
class Dual(Representation):
    """rho*(g) = rho(g^-1) transposed; the same as rho where rho is orthogonal."""

    inner: Representation

    @property
    def group(self) -> Group:  # type: ignore[override]
        """The group that acts."""
        return self.inner.group

    @property
    def size(self) -> int:
        """The size of the space."""
        return self.inner.size

    def matrix(self, g: Element) -> Float[Tensor, "size size"]:
        """The inverse transposed."""
        return self.inner.matrix(self.group.inverse(g)).mT.contiguous()

    def derivative(self, a: Element) -> Float[Tensor, "size size"]:
        """Minus the transposed derivative."""
        return -self.inner.derivative(a).mT.contiguous()

    def signed_permutation(self, g: Element) -> SignedPermutation | None:
        """The same signed permutation: it is orthogonal."""
        return self.inner.signed_permutation(g)

    def character(self, g: Element) -> float:
        """The character of the inverse."""
        return self.inner.character(self.group.inverse(g))

    def dual(self) -> Representation:
        """The original again."""
        return self.inner

    def __repr__(self) -> str:
        return f"dual({self.inner})"
