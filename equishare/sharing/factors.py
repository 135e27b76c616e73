"""Maps that commute with a direct product of groups, from those that commute with each factor."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.basic import Trivial
from equishare.groups.group import Group
from equishare.groups.mixed_product import MixedProduct, OfFactor
from equishare.groups.representation import Dual, Representation, TensorProduct

Leaf = tuple[int, Representation]  # a factor of the group, and how it acts
LARGEST_BASIS = 20_000_000  # numbers


def factor_by_factor(
    rep_in: Representation,
    rep_out: Representation,
    solve: Callable[[Representation, Representation], Float[Tensor, "numel n_free"]],
) -> Float[Tensor, "numel n_free"] | None:
    r"""An orthonormal basis of the maps between tensor products of representations of single factors; None for others.

    .. math:: \mathrm{Hom}_{G \times H}(a \otimes b,\, c \otimes d) = \mathrm{Hom}_G(a, c) \otimes \mathrm{Hom}_H(b, d)

    Args:
        rep_in: representation of the input, of a product of groups.
        rep_out: representation of the output.
        solve: an orthogonal basis of the maps between representations of one factor.

    >>> from equishare import groups, sharing
    >>> S5 = groups.symmetric(5)
    >>> G = groups.direct(groups.so(4), S5)
    >>> vectors = G.of_factor(0, groups.so(4).defining()) * G.of_factor(1, S5.permutation())
    >>> sharing.solve(vectors * vectors, vectors * vectors).n_free       # 4 for pairs of 4-vectors, 15 for pairs of points
    60
    """
    group, leaves_in, leaves_out = rep_in.group, _leaves(rep_in), _leaves(rep_out)
    if not isinstance(group, MixedProduct) or leaves_in is None or leaves_out is None:
        return None
    found, axes = torch.ones((), dtype=torch.float64), list[tuple[str, int]]()
    for k, factor in enumerate(group.factors):
        outs, ins = ([i for i, (at, _) in enumerate(some) if at == k] for some in (leaves_out, leaves_in))
        sizes = [leaves_out[i][1].size for i in outs] + [leaves_in[i][1].size for i in ins]
        maps = solve(
            _product(factor, [leaves_in[i][1] for i in ins]), _product(factor, [leaves_out[i][1] for i in outs])
        )
        if found.numel() * maps.numel() > LARGEST_BASIS:
            return None
        maps = maps / torch.linalg.vector_norm(maps, dim=0)
        found = torch.tensordot(found, maps.reshape(*sizes, maps.shape[1]), dims=0)
        axes += [*(("out", i) for i in outs), *(("in", i) for i in ins), ("weight", k)]
    order = {"out": 0, "in": 1, "weight": 2}
    places = sorted(range(len(axes)), key=lambda place: (order[axes[place][0]], axes[place][1]))
    weights = math.prod(found.shape[place] for place in places if axes[place][0] == "weight")
    return found.permute(places).reshape(rep_out.size * rep_in.size, weights)


def _leaves(rep: Representation) -> list[Leaf] | None:
    """The representations of single factors that a representation is the tensor product of, in their order."""
    if isinstance(rep, Trivial):
        return []
    if isinstance(rep, OfFactor):
        return [(rep.position, rep.inner)]
    if isinstance(rep, Dual):
        inner = _leaves(rep.inner)
        return None if inner is None else [(at, leaf.dual()) for at, leaf in inner]
    if isinstance(rep, TensorProduct):
        left, right = _leaves(rep.left), _leaves(rep.right)
        return None if left is None or right is None else left + right
    return None


def _product(factor: Group, reps: list[Representation]) -> Representation:
    """The tensor product of some representations of one group."""
    return reduce(lambda a, b: a * b, reps) if reps else factor.trivial()
