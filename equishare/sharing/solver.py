"""From a symmetry to its sharing pattern: all linear maps that commute with a group."""

from __future__ import annotations

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
from equishare.sharing.index_pattern import orbits
from equishare.sharing.pattern import SharingError, SharingPattern

LARGEST_DENSE = 2_500  # unknowns up to which the constraint is diagonalised as a dense matrix


@on_cpu
def solve(rep_in: Representation, rep_out: Representation) -> SharingPattern:
    """The pattern of all weights W with rho_out(g) W = W rho_in(g), from the generators alone.

    Index form where both representations are (signed) permutations: an entry (o, i) shares its weight with
    (g o, g i). Otherwise block by block over the parts of direct sums, each in index form or as an
    orthonormal basis of the constraint's null space. The pattern is complete: it spans every such W.

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
    if unknowns <= LARGEST_DENSE:
        matrix = torch.zeros(unknowns, unknowns, dtype=torch.float64)
        for constraint in _constraints(rep_in, rep_out):
            matrix += constraint.mT @ constraint
        values, vectors = torch.linalg.eigh(matrix)
        basis = vectors[:, values < 1e-9 * max(1.0, float(values[-1]))]
    elif isinstance(rep_in.group, FiniteGroup):
        basis = _project_random(rep_in, rep_out)
    else:
        raise SharingError(
            f"a block of {rep_out.size} x {rep_in.size} weights is too large to solve densely; "
            "write the representations as direct sums of smaller ones"
        )
    return BasisPattern(basis, (rep_out.size, rep_in.size))


def _constraints(rep_in: Representation, rep_out: Representation) -> list[Tensor]:
    """For each generator, or element of the Lie algebra, the matrix of W -> rho_out W - W rho_in on row-major W."""
    found = []
    eye_in = torch.eye(rep_in.size, dtype=torch.float64)
    eye_out = torch.eye(rep_out.size, dtype=torch.float64)
    group = rep_in.group
    for element in group.algebra:  # the same at the identity: db W - W da
        a, b = rep_in.derivative(element).contiguous(), rep_out.derivative(element).contiguous()
        found.append(torch.kron(b, eye_in) - torch.kron(eye_out, a.mT.contiguous()))
    for g in group.components if group.algebra else group.generators:
        a, b = rep_in.matrix(g).contiguous(), rep_out.matrix(g).contiguous()
        found.append(torch.kron(b, eye_in) - torch.kron(eye_out, a.mT.contiguous()))
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
    stacked = torch.cat(_constraints(rep_in, rep_out))
    _, values, right = torch.linalg.svd(stacked, full_matrices=False)
    return right[values < 1e-9 * max(1.0, float(values[0]))].mT.contiguous()
