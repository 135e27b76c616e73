"""Radial functions, envelope and harmonics of edge vectors, in one sweep where their curvature is not asked for."""

from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from equishare.ops.backend import uses_numba
from equishare.ops.edge_functions.torch import (
    Radial,
    harmonics_coupling,
    polynomial_cutoff,
    radial_functions,
    spherical_harmonics,
)
from equishare.ops.threads import as_array, atom_ranges, run_ranges


def edge_functions(
    vectors: Float[Tensor, "edges 3"], radial: Radial, l_max: int, curvature: bool = True
) -> tuple[Float[Tensor, "edges n_basis"], Float[Tensor, "edges"], Float[Tensor, "edges components"]]:
    r"""Radial functions, their envelope, and harmonics, of edge vectors.

    .. math:: B_n(|v|), \quad f(|v| / r_c), \quad Y_{lm}(v / |v|)

    Without curvature their derivatives along the vectors are taken for constants: right for forces and for a loss on forces that is
    differentiated by weights, wrong for second derivatives by the vectors (the Hessian), and half of the work.

    Args:
        vectors: In Å.
        radial: The radial functions.
        l_max: Highest degree of the harmonics.
        curvature: Whether second derivatives by the vectors may be asked for.
    """
    if not curvature and uses_numba(vectors):
        return _EdgeFunctions.apply(vectors, radial, l_max)
    lengths = torch.linalg.vector_norm(vectors, dim=1)
    envelope = polynomial_cutoff(lengths / radial.cutoff, radial.power)
    harmonics = spherical_harmonics(vectors / lengths.unsqueeze(1), l_max)
    return radial_functions(lengths, radial, envelope), envelope, harmonics


@cache
def _couplings(l_max: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (component, component of the degree before, axis) and coefficients that build the harmonics up."""
    rows, coefficients = [], []
    for degree in range(1, l_max + 1):
        table = torch.eye(3, dtype=torch.float64) if degree == 1 else harmonics_coupling(degree)
        for before, axis, m in np.argwhere(table.view(2 * degree - 1, 3, -1).numpy()):
            rows.append((degree**2 + m, (degree - 1) ** 2 + before, axis))
            coefficients.append(3**0.5 * float(table.view(2 * degree - 1, 3, -1)[before, axis, m]))
    return np.array(rows, dtype=np.int64).reshape(-1, 3), np.array(coefficients)


def edge_sweep(
    vectors: Float[np.ndarray, "edges 3"], radial: Radial, l_max: int
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """(radial functions, envelope, harmonics) and their slopes, from one compiled sweep over the edges.

    Slopes are those of radial functions and envelope along the length, those of the harmonics along the vector, and its direction.
    """
    from equishare.ops.edge_functions import numba as loops

    edges, n, components = len(vectors), radial.n_basis, (l_max + 1) ** 2
    shapes = (edges, n), (edges, n), (edges,), (edges,), (edges, components), (edges, components, 3), (edges, 3)
    basis, d_basis, envelope, d_envelope, y, dy, direction = found = [np.empty(s, vectors.dtype) for s in shapes]
    falloff = -1.0 if radial.decay_length is None else radial.decay_length**-2
    run_ranges(
        *(loops.forward, atom_ranges(edges, 50 * edges * components), vectors),
        *(float(radial.cutoff), radial.power, falloff, *_couplings(l_max), *found),
    )
    return (basis, envelope, y), (d_basis, d_envelope, dy, direction)


def edge_gradient(
    slopes: tuple[np.ndarray, ...], basis: np.ndarray, envelope: np.ndarray, harmonics: np.ndarray
) -> Float[np.ndarray, "edges 3"]:
    """Derivative by the vectors, from those by the functions."""
    from equishare.ops.edge_functions import numba as loops

    out = np.empty((len(basis), 3), basis.dtype)
    ranges = atom_ranges(len(basis), 5 * harmonics.size)
    run_ranges(loops.backward, ranges, basis, envelope, harmonics, *slopes, out)
    return out


class _EdgeFunctions(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, radial: Radial, l_max: int) -> tuple[Tensor, ...]:
        functions, slopes = edge_sweep(as_array(vectors), radial, l_max)
        ctx.save_for_backward(*map(torch.from_numpy, slopes))
        return tuple(map(torch.from_numpy, functions))

    @staticmethod
    def backward(ctx: Any, basis: Tensor, envelope: Tensor, harmonics: Tensor) -> tuple[Tensor, None, None]:
        # by tensors, for a loss on forces differentiates it
        d_basis, d_envelope, d_harmonics, direction = ctx.saved_tensors
        along = (basis * d_basis).sum(1) + envelope * d_envelope
        turned = torch.bmm(harmonics.unsqueeze(1), d_harmonics).squeeze(1)
        return turned + along.unsqueeze(1) * direction, None, None
