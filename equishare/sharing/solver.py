"""From a symmetry to its sharing pattern: all linear maps that commute with a group."""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.finite import FiniteGroup
from equishare.groups.intertwiners import intertwiner_count
from equishare.groups.on_cpu import on_cpu
from equishare.groups.permutation import SignedPermutation
from equishare.groups.representation import Representation, require_representation
from equishare.sharing.basis_pattern import BasisPattern
from equishare.sharing.block_pattern import BlockPattern
from equishare.sharing.factors import factor_by_factor
from equishare.sharing.index_pattern import orbits
from equishare.sharing.pattern import SharingError, SharingPattern

LARGEST_DENSE = 2_500  # unknowns up to which the constraint is diagonalised as a dense matrix


@on_cpu
def solve(rep_in: Representation, rep_out: Representation) -> SharingPattern:
    """The pattern of all weights W with rho_out(g) W = W rho_in(g), from the generators alone.

    Index form where both representations are (signed) permutations: an entry (o, i) shares its weight with
    (g o, g i). Otherwise block by block over the parts of direct sums, each in index form or as an
    orthonormal basis of the constraint's null space, in direct products of groups factor by factor. The pattern is
    complete: it spans every such W.

    Raises:
        SharingError: the groups differ, or a block that is no permutation is too large to solve.

    >>> from equishare import groups, sharing
    >>> G = groups.dihedral(4)
    >>> sharing.solve(3 * G.regular() + G.trivial(), G.regular())
    IndexPattern(shape=(8, 25), n_free=25)
    >>> O3 = groups.o3()
    >>> sharing.solve(O3.irreps("8x0e+4x1o"), O3.irreps("2x0e+4x1o")).n_free   # 8*2 + 4*4
    32
    """
    require_representation(rep_in, rep_out)
    if rep_in.group != rep_out.group:
        raise SharingError(f"one group is needed, got {rep_in.group} and {rep_out.group}")
    if rep_in.kind != "matrix" and rep_out.kind != "matrix":
        return _solve_by_orbits(rep_in, rep_out)
    if len(rep_in.parts) == 1 == len(rep_out.parts) and rep_in.parts[0][0] == 1 == rep_out.parts[0][0]:
        return _solve_block(rep_in, rep_out)
    solved: dict[tuple[Representation, Representation], SharingPattern] = {}

    def block(a: Representation, b: Representation) -> SharingPattern:
        if (a, b) not in solved:
            solved[a, b] = solve(a, b)
        return solved[a, b]

    return BlockPattern(
        [(count, rep.size) for count, rep in rep_out.parts],
        [(count, rep.size) for count, rep in rep_in.parts],
        [[block(a, b) for _, a in rep_in.parts] for _, b in rep_out.parts],
    )


def _solve_by_orbits(rep_in: Representation, rep_out: Representation) -> SharingPattern:
    """Orbits of the entries (o, i) under the generators."""
    actions = []
    for g in rep_in.group.generators:
        a, b = rep_in.signed_permutation(g), rep_out.signed_permutation(g)
        if a is None or b is None:
            raise SharingError(f"{rep_in} or {rep_out} does not act by permutations")
        image = (b.image[:, None] * rep_in.size + a.image[None]).ravel()
        actions.append(SignedPermutation(image, (b.sign[:, None] * a.sign[None]).ravel()))
    return orbits(actions, (rep_out.size, rep_in.size))


def _solve_block(rep_in: Representation, rep_out: Representation) -> SharingPattern:
    """An orthonormal basis of the null space of one block."""
    unknowns = rep_in.size * rep_out.size
    basis = factor_by_factor(rep_in, rep_out, _maps)
    if basis is not None:
        return BasisPattern(basis, (rep_out.size, rep_in.size))
    if unknowns <= LARGEST_DENSE:
        (of_in, scale_in), (of_out, scale_out) = _balanced(rep_in), _balanced(rep_out)
        matrix = torch.zeros(unknowns, unknowns, dtype=torch.float64)
        for constraint in _constraints(of_in, of_out):
            matrix += constraint.mT @ constraint
        values, vectors = torch.linalg.eigh(matrix)
        basis = vectors[:, values < 1e-9 * max(1.0, float(values[-1]))]
        scale = (scale_out[:, None] / scale_in).reshape(-1, 1)
        basis = basis if bool((scale == 1).all()) else torch.linalg.qr(scale * basis)[0]
    elif isinstance(rep_in.group, FiniteGroup):
        basis = _project_random(rep_in, rep_out)
    else:
        raise SharingError(
            f"a block of {rep_out.size} x {rep_in.size} weights is too large to solve densely; "
            "write the representations as direct sums of smaller ones"
        )
    return BasisPattern(basis, (rep_out.size, rep_in.size))


@lru_cache(maxsize=32)
def _maps(rep_in: Representation, rep_out: Representation) -> Tensor:
    """All maps between representations of a factor of a group, which come back in many products of it."""
    return solve(rep_in, rep_out).as_matrix()


def _actions(rep: Representation) -> list[Tensor]:
    """How the elements of the Lie algebra act, and the discrete ones; of other groups, how the generators do."""
    group = rep.group
    discrete = group.components if group.algebra else group.generators
    return [*map(rep.derivative, group.algebra), *map(rep.matrix, discrete)]


def _balanced(rep: Representation) -> tuple[list[Tensor], Tensor]:
    """The actions D^-1 m D in coordinates in which no row of theirs is much longer than its column, and the diagonal of D.

    Parlett & Reinsch 1969, "Balancing a matrix for calculation of eigenvalues and eigenvectors". Orthogonal matrices are balanced.
    """
    actions = _actions(rep)
    scale = torch.ones(rep.size, dtype=torch.float64)
    if actions and not rep.orthogonal:
        from scipy.linalg import matrix_balance

        whole = torch.stack(actions).abs().sum(0).numpy()
        scale = torch.from_numpy(matrix_balance(whole, permute=False, separate=True)[1][0])
    return [m * scale / scale[:, None] for m in actions], scale


def _constraints(of_in: list[Tensor], of_out: list[Tensor]) -> list[Tensor]:
    """For each pair of actions the matrix of W -> b W - W a on row-major W."""
    found = []
    for a, b in zip(of_in, of_out, strict=True):
        eye_in, eye_out = (torch.eye(len(m), dtype=torch.float64) for m in (a, b))
        found.append(torch.kron(b.contiguous(), eye_in) - torch.kron(eye_out, a.mT.contiguous()))
    return found


def _project_random(rep_in: Representation, rep_out: Representation) -> Tensor:
    """The range of the group average W -> mean of rho_out(g) W rho_in(g)^-1, from random W."""
    group = rep_in.group
    if not isinstance(group, FiniteGroup):
        raise SharingError(f"the average over {group} needs a finite group")
    count = intertwiner_count(rep_in, rep_out)
    noise = torch.randn(
        count, rep_out.size, rep_in.size, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    mean = torch.zeros_like(noise)
    for g in group.elements:
        mean += rep_out.matrix(g) @ noise @ rep_in.matrix(group.inverse(g))
    return torch.linalg.qr(mean.reshape(count, -1).mT)[0]


@on_cpu
def null_space(rep_in: Representation, rep_out: Representation) -> Float[Tensor, "numel n_free"]:
    """The same space by brute force: the null space of the stacked constraints, by singular values.

    It knows nothing of orbits, blocks or characters: it is what every pattern is tested against.

    >>> from equishare import groups
    >>> points = groups.symmetric(4).permutation()
    >>> null_space(points, points).shape
    torch.Size([16, 2])
    """
    stacked = torch.cat(_constraints(_actions(rep_in), _actions(rep_out)))
    _, values, right = torch.linalg.svd(stacked, full_matrices=False)
    return right[values < 1e-9 * max(1.0, float(values[0]))].mT.contiguous()
