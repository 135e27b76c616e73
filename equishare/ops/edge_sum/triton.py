"""Triton kernels of the edge sum: value, derivative, and derivative of the derivative.

Arrays are those of the compiled loops: densities ``A[(l, m), atom, channel]``, radial weights ``R[edge, l, channel]``. A program holds
all components and channels of one atom, or one edge, and writes to those only: no atomics, sums have one order, and no array
of edges times components times channels is ever made. With SECOND a kernel gives the derivative of what it
gives without, along (uR, us, ux, uY).
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from equishare.ops.components import component_degrees
from equishare.ops.edge_sum import torch as formula
from equishare.ops.edges import Edges


@triton.jit
def _receivers(
    R, s, x, Y, uR, us, ux, uY, degree, sender, order, start, A,
    n_atoms, n_degrees, n_components, n_features, n_channels,
    SECOND: tl.constexpr, K: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    """A[k, i] = sum over edges j -> i of R (s Y + x)."""
    i = tl.program_id(0).to(tl.int64)
    k, c = tl.arange(0, K)[:, None], tl.arange(0, C)[None, :]
    inside = (k < n_components) & (c < n_channels)
    featured = inside & (k > 0) & (k <= n_features)
    degrees = tl.load(degree + k, mask=k < n_components, other=0)
    total = tl.zeros((K, C), A.dtype.element_ty)
    first, last = tl.load(start + i), tl.load(start + i + 1)
    for p in range(first, last):
        e = tl.load(order + p)
        j = tl.load(sender + e)
        of_r = (e * n_degrees + degrees) * n_channels + c
        of_x = ((k - 1) * n_atoms + j) * n_channels + c
        r = tl.load(R + of_r, mask=inside, other=0)
        y = tl.load(Y + e * n_components + k, mask=k < n_components, other=0)
        t = tl.load(s + j * n_channels + c, mask=c < n_channels, other=0)
        v = tl.load(x + of_x, mask=featured, other=0)
        if SECOND:
            dr = tl.load(uR + of_r, mask=inside, other=0)
            dy = tl.load(uY + e * n_components + k, mask=k < n_components, other=0)
            dt = tl.load(us + j * n_channels + c, mask=c < n_channels, other=0)
            dv = tl.load(ux + of_x, mask=featured, other=0)
            total += dr * (t * y + v) + r * (dt * y + t * dy + dv)
        else:
            total += r * (t * y + v)
    tl.store(A + (k * n_atoms + i) * n_channels + c, total, mask=inside)


@triton.jit
def _edges(
    g, R, s, x, Y, uR, us, ux, uY, degree, sender, receiver, gR, gY,
    n_atoms, n_degrees, n_components, n_features, n_channels,
    SECOND: tl.constexpr, K: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    """gR[e, l] = sum of (s Y + x) g over the components of degree l, and gY[e, k] = sum_c R s g."""
    e = tl.program_id(0).to(tl.int64)
    k, c = tl.arange(0, K)[:, None], tl.arange(0, C)[None, :]
    inside = (k < n_components) & (c < n_channels)
    featured = inside & (k > 0) & (k <= n_features)
    degrees = tl.load(degree + k, mask=k < n_components, other=0)
    i, j = tl.load(receiver + e), tl.load(sender + e)
    of_r = (e * n_degrees + degrees) * n_channels + c
    of_x = ((k - 1) * n_atoms + j) * n_channels + c
    r = tl.load(R + of_r, mask=inside, other=0)
    y = tl.load(Y + e * n_components + k, mask=k < n_components, other=0)
    t = tl.load(s + j * n_channels + c, mask=c < n_channels, other=0)
    arriving = tl.load(g + (k * n_atoms + i) * n_channels + c, mask=inside, other=0)
    if SECOND:
        dr = tl.load(uR + of_r, mask=inside, other=0)
        dy = tl.load(uY + e * n_components + k, mask=k < n_components, other=0)
        dt = tl.load(us + j * n_channels + c, mask=c < n_channels, other=0)
        sent = dt * y + t * dy + tl.load(ux + of_x, mask=featured, other=0)
        weight = dr * t + r * dt
    else:
        sent = t * y + tl.load(x + of_x, mask=featured, other=0)
        weight = r * t
    row, column = tl.arange(0, K), tl.arange(0, C)
    tl.store(gY + e * n_components + row, tl.sum(weight * arriving, axis=1), mask=row < n_components)
    for degree_of_row in range(n_degrees):
        part = tl.sum(tl.where(degrees == degree_of_row, sent * arriving, 0), axis=0)
        tl.store(gR + (e * n_degrees + degree_of_row) * n_channels + column, part, mask=column < n_channels)


@triton.jit
def _senders(
    g, R, Y, uR, uY, degree, receiver, order, start, gs, gx,
    n_atoms, n_degrees, n_components, n_features, n_channels,
    SECOND: tl.constexpr, K: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    """gs[j] = sum over edges j -> i of sum_k R Y g, and gx[k - 1, j] = sum of R g."""
    j = tl.program_id(0).to(tl.int64)
    k, c = tl.arange(0, K)[:, None], tl.arange(0, C)[None, :]
    inside = (k < n_components) & (c < n_channels)
    featured = inside & (k > 0) & (k <= n_features)
    degrees = tl.load(degree + k, mask=k < n_components, other=0)
    of_scalars = tl.zeros((K, C), gs.dtype.element_ty)
    of_features = tl.zeros((K, C), gs.dtype.element_ty)
    first, last = tl.load(start + j), tl.load(start + j + 1)
    for p in range(first, last):
        e = tl.load(order + p)
        i = tl.load(receiver + e)
        of_r = (e * n_degrees + degrees) * n_channels + c
        r = tl.load(R + of_r, mask=inside, other=0)
        y = tl.load(Y + e * n_components + k, mask=k < n_components, other=0)
        arriving = tl.load(g + (k * n_atoms + i) * n_channels + c, mask=inside, other=0)
        if SECOND:
            dr = tl.load(uR + of_r, mask=inside, other=0)
            dy = tl.load(uY + e * n_components + k, mask=k < n_components, other=0)
            of_scalars += (dr * y + r * dy) * arriving
            of_features += dr * arriving
        else:
            of_scalars += r * y * arriving
            of_features += r * arriving
    column = tl.arange(0, C)
    tl.store(gs + j * n_channels + column, tl.sum(of_scalars, axis=0), mask=column < n_channels)
    tl.store(gx + ((k - 1) * n_atoms + j) * n_channels + c, of_features, mask=featured)


def _sizes(
    scalars: Tensor, features: Tensor, harmonics: Tensor, second: bool
) -> tuple[tuple[int, ...], dict[str, int]]:
    """(sizes, constants) that every kernel takes, in the order and by the names of its last arguments."""
    components, channels = harmonics.shape[1], scalars.shape[1]
    numbers = scalars.shape[0], round(components**0.5), components, features.shape[0], channels
    blocks = {"K": triton.next_power_of_2(components), "C": triton.next_power_of_2(channels)}
    return numbers, {"SECOND": second, **blocks}


def _degrees(harmonics: Tensor) -> Tensor:
    return torch.from_numpy(component_degrees(harmonics.shape[1])).to(harmonics.device)


@dataclass(frozen=True)
class EdgeSumKernels:
    """The edge sum by Triton's kernels; factors are radial functions, scalars, features and harmonics."""

    edges: Edges

    def value(self, *factors: Tensor) -> Tensor:
        """The sums."""
        radial, scalars, features, harmonics = factors
        sizes, constants = _sizes(scalars, features, harmonics, second=False)
        out = radial.new_empty(harmonics.shape[1], *scalars.shape)
        ends = self.edges.sender, *self.edges.receive_order_on_device
        _receivers[(len(scalars),)](*factors, *factors, _degrees(harmonics), *ends, out, *sizes, **constants)
        return out

    def formula(self, *factors: Tensor) -> Tensor:
        """The sums in plain torch."""
        radial, scalars, features, harmonics = factors
        return formula.edge_sum(radial, scalars, features, harmonics, self.edges)

    def gradient(self, grad: Tensor, *factors: Tensor, wanted: tuple[bool, ...]) -> tuple[Tensor, ...]:
        """All four derivatives."""
        radial, scalars, features, harmonics = factors
        edges, degree = self.edges, _degrees(harmonics)
        sizes, constants = _sizes(scalars, features, harmonics, second=False)
        gr, gs, gx, gy = (torch.empty_like(t) for t in factors)
        if len(edges):
            _edges[(len(edges),)](
                *(grad, *factors, *factors, degree, edges.sender, edges.receiver, gr, gy, *sizes), **constants
            )
        ends = edges.receiver, *edges.send_order_on_device
        own = radial, harmonics
        _senders[(len(scalars),)](grad, *own, *own, degree, *ends, gs, gx, *sizes, **constants)
        return gr, gs, gx, gy

    def second(self, grad: Tensor, factors: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Derivative of value and gradient along the tangents."""
        radial, scalars, features, harmonics = factors
        edges, degree = self.edges, _degrees(harmonics)
        sizes, constants = _sizes(scalars, features, harmonics, second=True)
        dg, dr, ds, dx, dy = (torch.empty_like(t) for t in (grad, *factors))
        received = edges.sender, *edges.receive_order_on_device
        _receivers[(len(scalars),)](*factors, *tangents, degree, *received, dg, *sizes, **constants)
        if len(edges):
            _edges[(len(edges),)](
                *(grad, *factors, *tangents, degree, edges.sender, edges.receiver, dr, dy, *sizes), **constants
            )
        sent = edges.receiver, *edges.send_order_on_device
        pairs = radial, harmonics, tangents[0], tangents[3]
        _senders[(len(scalars),)](grad, *pairs, degree, *sent, ds, dx, *sizes, **constants)
        return dg, dr, ds, dx, dy
