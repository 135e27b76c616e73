"""The edge sum by compiled loops: value, derivative, and derivative of the derivative."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from equishare.loops import density as loops
from equishare.nn.e3.kernels.calls import as_array, atom_ranges, run_ranges, total
from equishare.nn.e3.kernels.components import degree_count
from equishare.nn.e3.kernels.edges import Edges


@cache
def sweeps(components: int) -> np.ndarray:
    """Rows (degree l, first component, how many) that divide each degree's components into threes and ones."""
    rows = []
    for degree in range(degree_count(components)):
        first, last = degree**2, (degree + 1) ** 2
        while first < last:
            rows.append((degree, first, 3 if first + 3 <= last else 1))
            first += rows[-1][2]
    return np.array(rows)


def _ranges(edges: Edges, harmonics: Tensor, radial: Tensor, passes: int) -> list[tuple[int, int]]:
    """Ranges of receivers for a loop that passes so many times over the components of the edges."""
    return atom_ranges(edges.n_atoms, passes * harmonics.numel() * radial.shape[2], edges.receive_order[1])


def value(radial: Tensor, scalars: Tensor, features: Tensor, harmonics: Tensor, edges: Edges) -> Tensor:
    """The density."""
    out = radial.new_empty(harmonics.shape[1], *scalars.shape)
    run_ranges(
        loops.forward,
        _ranges(edges, harmonics, radial, 2),
        *map(as_array, (radial, scalars, features, harmonics)),
        *(sweeps(harmonics.shape[1]), edges.ends[0], *edges.receive_order, out.numpy()),
    )
    return out


def gradient(
    grad: Tensor, radial: Tensor, scalars: Tensor, features: Tensor, harmonics: Tensor, edges: Edges
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Derivatives with respect to the four factors."""
    ranges = _ranges(edges, harmonics, radial, 6)
    of_radial, of_harmonics = map(torch.empty_like, (radial, harmonics))
    of_scalars, of_features = (t.new_zeros(len(ranges), *t.shape) for t in (scalars, features))
    run_ranges(
        loops.backward,
        ranges,
        *map(as_array, (grad, radial, scalars, features, harmonics)),
        *(sweeps(harmonics.shape[1]), edges.ends[0], *edges.receive_order, of_radial.numpy(), of_harmonics.numpy()),
        own=(of_scalars, of_features),
    )
    return of_radial, total(of_scalars), total(of_features), of_harmonics


def second(saved: tuple[Tensor, ...], tangents: tuple[Tensor, ...], edges: Edges) -> tuple[Tensor, ...]:
    """Derivative of `value` and of `gradient`, whose arguments are saved, along the tangents of the four factors."""
    grad, radial, scalars, features, harmonics = saved
    ranges = _ranges(edges, harmonics, radial, 12)
    of_grad, of_radial, of_harmonics = map(torch.empty_like, (grad, radial, harmonics))
    of_scalars, of_features = (t.new_zeros(len(ranges), *t.shape) for t in (scalars, features))
    run_ranges(
        loops.second,
        ranges,
        *map(as_array, (*saved, *tangents)),
        *(sweeps(harmonics.shape[1]), edges.ends[0], *edges.receive_order),
        *(of_grad.numpy(), of_radial.numpy(), of_harmonics.numpy()),
        own=(of_scalars, of_features),
    )
    return of_grad, of_radial, total(of_scalars), total(of_features), of_harmonics
