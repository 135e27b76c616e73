"""All bilinear maps of two features that commute with a group."""

from __future__ import annotations

import torch
from torch import Tensor

from equishare.groups.intertwiners import fields_of
from equishare.groups.on_cpu import on_cpu
from equishare.groups.representation import Representation
from equishare.sharing.basis_pattern import BasisPattern
from equishare.sharing.solver import solve


def places_of(rep: Representation) -> dict[Representation, Tensor]:
    """Where the copies of each field of a representation begin.

    >>> from equishare import groups
    >>> G = groups.cyclic(4)
    >>> places_of(2 * G.trivial() + G.regular() + G.trivial())
    {trivial(C4): tensor([0, 1, 6]), regular(C4): tensor([2])}
    """
    found: dict[Representation, list[int]] = {}
    start = 0
    for count, field in fields_of(rep):
        found.setdefault(field, []).extend(start + field.size * k for k in range(count))
        start += count * field.size
    return {field: torch.tensor(starts, device="cpu") for field, starts in found.items()}


@on_cpu
def bilinear(left: Representation, right: Representation, out: Representation) -> BasisPattern:
    """The pattern of all B with rho_out(g) B(x, y) = B(rho_left(g) x, rho_right(g) y), of shape (out, left, right).

    It is ``solve(left * right, out)``, field by field: a block for each triple of fields, copies of one triple alike.

    >>> from equishare import groups
    >>> O3 = groups.o3()
    >>> bilinear(O3.irreps("0e+1o"), O3.irreps("0e+1o"), O3.irreps("0e+1o+2e"))
    BasisPattern(shape=(9, 4, 4), n_free=5)
    """
    rows, columns, values, n_free = [], [], [], 0
    for o, at_o in places_of(out).items():
        for a, at_a in places_of(left).items():
            for b, at_b in places_of(right).items():
                block = solve(a * b, o).as_matrix()
                entry, column = block.nonzero(as_tuple=True)
                if not len(entry):
                    continue
                i, rest = entry // (a.size * b.size), entry % (a.size * b.size)
                j, k = rest // b.size, rest % b.size
                copies = torch.cartesian_prod(at_o, at_a, at_b)
                where = ((copies[:, :1] + i) * left.size + copies[:, 1:2] + j) * right.size + copies[:, 2:] + k
                rows.append(where.flatten())
                columns.append((n_free + block.shape[1] * torch.arange(len(copies))[:, None] + column).flatten())
                values.append(block[entry, column].repeat(len(copies)))
                n_free += block.shape[1] * len(copies)
    size = out.size * left.size * right.size
    index = torch.stack([torch.cat(rows), torch.cat(columns)]) if rows else torch.zeros(2, 0, dtype=torch.long)
    data = torch.cat(values) if values else torch.zeros(0, dtype=torch.float64)
    matrix = torch.sparse_coo_tensor(index, data, (size, n_free), check_invariants=False)
    return BasisPattern(matrix, (out.size, left.size, right.size))
