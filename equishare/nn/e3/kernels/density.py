"""The edge sum of the density convolution, closed under two derivatives."""

from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from equishare.nn.e3.kernels.backend import uses_numba
from equishare.nn.e3.kernels.calls import as_array, atom_ranges, run_ranges
from equishare.nn.e3.kernels.edges import Edges


def density(
    radial: Float[Tensor, "edges degrees channels"],
    scalars: Float[Tensor, "atoms channels"],
    features: Float[Tensor, "components_in atoms channels"],
    harmonics: Float[Tensor, "edges components"],
    edges: Edges,
) -> Float[Tensor, "components atoms channels"]:
    r"""Sum over neighbours, without a tensor product on edges.

    .. math:: A_i[lm] = \sum_{j \to i} R_l(r_{ij})\, \big( s_j\, Y_{lm}(\hat r_{ij}) + x_j[lm] \big)

    Degrees 0..L of the radial weights and harmonics, 1..K of the features with K <= L (no features at all: an empty first axis).
    Component-major layout.
    """
    if uses_numba(radial):
        return _Density.apply(
            radial.contiguous(), scalars.contiguous(), features.contiguous(), harmonics.contiguous(), edges
        )
    degree = torch.from_numpy(component_degrees(harmonics.shape[1])).to(radial.device)
    sender = edges.sender
    sent = scalars[sender].unsqueeze(1) * harmonics.unsqueeze(2)
    if features.shape[0]:
        rest = harmonics.shape[1] - 1 - features.shape[0]
        sent = sent + torch.nn.functional.pad(features[:, sender].transpose(0, 1), (0, 0, 1, rest))
    terms = radial[:, degree] * sent
    zeros = terms.new_zeros(scalars.shape[0], *terms.shape[1:])
    return zeros.index_add(0, edges.receiver, terms).transpose(0, 1)


def degree_count(components: int) -> int:
    """How many degrees 0..L have this many components in all."""
    count = round(components**0.5)
    if count * count != components:
        raise ValueError(f"expected (L + 1)^2 components for some L, got {components}")
    return count


@cache
def component_degrees(components: int) -> np.ndarray:
    """Degree l of each component (l, m)."""
    return np.repeat(np.arange(degree_count(components)), 2 * np.arange(degree_count(components)) + 1)


@cache
def _sweeps(components: int) -> np.ndarray:
    """Rows (degree l, first component, how many) that divide each degree's components into threes and ones."""
    rows = []
    for degree in range(degree_count(components)):
        first, last = degree**2, (degree + 1) ** 2
        while first < last:
            rows.append((degree, first, 3 if first + 3 <= last else 1))
            first += rows[-1][2]
    return np.array(rows)


def _ranges(
    order: tuple[np.ndarray, np.ndarray], harmonics: Tensor, radial: Tensor, passes: int
) -> list[tuple[int, int]]:
    """Ranges of atoms for a loop that passes so many times over the components of the edges."""
    starts = order[1]
    return atom_ranges(len(starts) - 1, passes * harmonics.numel() * radial.shape[2], starts)


class _Density(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, radial: Tensor, scalars: Tensor, features: Tensor, harmonics: Tensor, edges: Edges) -> Tensor:
        from equishare.nn.e3.kernels import density_numba as loops

        out = radial.new_empty(harmonics.shape[1], *scalars.shape)
        run_ranges(
            *(loops.forward, _ranges(edges.receive_order, harmonics, radial, 2)),
            *map(as_array, (radial, scalars, features, harmonics)),
            _sweeps(harmonics.shape[1]),
            edges.ends[0],
            *edges.receive_order,
            out.numpy(),
        )
        ctx.save_for_backward(radial, scalars, features, harmonics)
        ctx.edges = edges
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return *_DensityBackward.apply(grad.contiguous(), *ctx.saved_tensors, ctx.edges), None


class _DensityBackward(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        grad: Tensor,
        radial: Tensor,
        scalars: Tensor,
        features: Tensor,
        harmonics: Tensor,
        edges: Edges,
    ) -> tuple[Tensor, ...]:
        from equishare.nn.e3.kernels import density_numba as loops

        ctx.save_for_backward(grad, radial, scalars, features, harmonics)
        ctx.edges = edges
        grads = tuple(torch.empty_like(t) for t in (radial, scalars, features, harmonics))
        sweeps = _sweeps(harmonics.shape[1])
        g, r, s, x, y = map(as_array, (grad, radial, scalars, features, harmonics))
        gr, gs, gx, gy = (t.numpy() for t in grads)
        receivers = _ranges(edges.receive_order, harmonics, radial, 4)
        senders = _ranges(edges.send_order, harmonics, radial, 2)
        run_ranges(loops.backward_edges, receivers, g, r, s, x, y, sweeps, edges.ends[0], *edges.receive_order, gr, gy)
        run_ranges(loops.backward_atoms, senders, g, r, y, sweeps, edges.ends[1], *edges.send_order, gs, gx)
        return grads

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *tangents: Tensor) -> tuple[Tensor | None, ...]:
        from equishare.nn.e3.kernels import density_numba as loops

        saved = ctx.saved_tensors
        edges: Edges = ctx.edges
        out = tuple(torch.empty_like(t) for t in saved)
        sweeps = _sweeps(saved[4].shape[1])
        g, r, s, x, y = map(as_array, saved)
        ur, us, ux, uy = map(as_array, tangents)
        dg, dr, ds, dx, dy = (t.numpy() for t in out)
        receivers = _ranges(edges.receive_order, saved[4], saved[1], 8)
        senders = _ranges(edges.send_order, saved[4], saved[1], 4)
        run_ranges(
            *(loops.second_edges, receivers, g, r, s, x, y, ur, us, ux, uy),
            *(sweeps, edges.ends[0], *edges.receive_order, dg, dr, dy),
        )
        run_ranges(loops.second_atoms, senders, g, r, y, ur, uy, sweeps, edges.ends[1], *edges.send_order, ds, dx)
        return *out, None
