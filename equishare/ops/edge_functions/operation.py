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
    run_ranges(
        *(loops.forward, atom_ranges(edges, 50 * edges * components), vectors),
        *(float(radial.cutoff), radial.power, _falloff(radial), *_couplings(l_max), *found),
    )
    return (basis, envelope, y), (d_basis, d_envelope, dy, direction)


class EdgeSweeps:
    """Radial functions, envelope and harmonics of edges, and their derivatives, each where it is needed: nothing is kept in between.

    The numbers of `edge_sweep`. Derivatives are added to ``out[edges, 3]``.

    Args:
        radial: The radial functions.
        l_max: Highest degree of the harmonics.
    """

    def __init__(self, radial: Radial, l_max: int) -> None:
        self._cutoff = float(radial.cutoff), radial.power
        self._shape = *self._cutoff, _falloff(radial), *_couplings(l_max)
        self.columns = radial.n_basis, (l_max + 1) ** 2

    def values(self, vectors: Float[np.ndarray, "edges 3"]) -> tuple[np.ndarray, np.ndarray]:
        """(radial functions, harmonics)."""
        from equishare.ops.edge_functions import numba as loops

        basis, harmonics = (np.empty((len(vectors), n), vectors.dtype) for n in self.columns)
        loops.values(0, len(vectors), vectors, *self._shape, basis, harmonics)
        return basis, harmonics

    def gradient(self, vectors: np.ndarray, of_basis: np.ndarray, of_harmonics: np.ndarray, out: np.ndarray) -> None:
        """Derivative by the vectors, from those by radial functions and harmonics."""
        from equishare.ops.edge_functions import numba as loops

        loops.gradient(0, len(vectors), vectors, *self._shape, of_basis, of_harmonics, out)

    def envelope(self, vectors: Float[np.ndarray, "edges 3"]) -> Float[np.ndarray, "edges"]:
        """The envelope."""
        from equishare.ops.edge_functions import numba as loops

        out = np.empty(len(vectors), vectors.dtype)
        loops.envelope(0, len(vectors), vectors, *self._cutoff, out)
        return out

    def envelope_gradient(self, vectors: np.ndarray, of_envelope: np.ndarray, out: np.ndarray) -> None:
        """Derivative by the vectors, from that by the envelope."""
        from equishare.ops.edge_functions import numba as loops

        loops.envelope_gradient(0, len(vectors), vectors, *self._cutoff, of_envelope, out)


def _falloff(radial: Radial) -> float:
    return -1.0 if radial.decay_length is None else radial.decay_length**-2


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
