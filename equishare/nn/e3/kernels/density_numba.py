"""Compiled loops of the edge sum: value, derivative, and derivative of the derivative.

Arrays are component-major: densities ``A[(l, m), atom, channel]``, radial weights ``R[edge, l, channel]``. Features x begin with
l = 1: component k of the density meets ``x[k - 1]``, as far as there are features. Every loop runs over a range of atoms and writes
to those atoms, or their edges, only: ranges run in parallel without atomics, and sums have one order. Each sweep over the contiguous
channels takes three components of a degree at a time, or one, and does all that there is to do with them while they are in
registers; ``sweeps`` lists them as (degree, first component, how many). Helpers take whole arrays and indices, for a view
would count references.
"""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from equishare.nn.e3.kernels.calls import as_array, atom_ranges, run_ranges
from equishare.nn.e3.kernels.components import degree_count
from equishare.nn.e3.kernels.edges import Edges
from equishare.nn.e3.kernels.jit import inline, jit_no_alias


@inline
def _clear(out, count, i):
    """out[k, i] = 0 for k below count."""
    for k in range(count):
        for c in range(out.shape[2]):
            out[k, i, c] = 0


@inline
def _forward_three(R, e, row, s, j, Y, k, A, i):
    """Three components: A[k + n] += R s Y[k + n], n = 0..2."""
    y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
    for c in range(A.shape[2]):
        v = R[e, row, c] * s[j, c]
        A[k, i, c] += v * y0
        A[k + 1, i, c] += v * y1
        A[k + 2, i, c] += v * y2


@inline
def _forward_three_x(R, e, row, s, x, j, Y, k, A, i):
    """Three components: A[k + n] += R (s Y[k + n] + x[k + n - 1]), n = 0..2."""
    y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
    for c in range(A.shape[2]):
        r, t = R[e, row, c], s[j, c]
        A[k, i, c] += r * (t * y0 + x[k - 1, j, c])
        A[k + 1, i, c] += r * (t * y1 + x[k, j, c])
        A[k + 2, i, c] += r * (t * y2 + x[k + 1, j, c])


@inline
def _forward_one(R, e, row, s, j, Y, k, A, i):
    y0 = Y[e, k]
    for c in range(A.shape[2]):
        A[k, i, c] += R[e, row, c] * (s[j, c] * y0)


@inline
def _forward_one_x(R, e, row, s, x, j, Y, k, A, i):
    y0 = Y[e, k]
    for c in range(A.shape[2]):
        A[k, i, c] += R[e, row, c] * (s[j, c] * y0 + x[k - 1, j, c])


@jit_no_alias
def forward(start, stop, R, s, x, Y, sweeps, sender, receive_edges, receive_ptr, A):
    """A[lm, i] = sum_j R[l] (s[j] Y[lm] + x[lm - 1, j]), lm counted from 0."""
    for i in range(start, stop):
        _clear(A, A.shape[0], i)
        for p in range(receive_ptr[i], receive_ptr[i + 1]):
            e = receive_edges[p]
            j = sender[e]
            for q in range(sweeps.shape[0]):
                row, k, n = sweeps[q, 0], sweeps[q, 1], sweeps[q, 2]
                if 0 < k <= x.shape[0]:
                    if n == 3:
                        _forward_three_x(R, e, row, s, x, j, Y, k, A, i)
                    else:
                        _forward_one_x(R, e, row, s, x, j, Y, k, A, i)
                elif n == 3:
                    _forward_three(R, e, row, s, j, Y, k, A, i)
                else:
                    _forward_one(R, e, row, s, j, Y, k, A, i)


@inline
def _backward_three(g, i, R, e, row, s, j, Y, k, gR, gY):
    """Three components: gR += s sum_n Y[k + n] g[k + n] and gY[k + n] = sum_c R s g[k + n], n = 0..2."""
    y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
    s0 = s1 = s2 = R.dtype.type(0)
    for c in range(g.shape[2]):
        g0, g1, g2 = g[k, i, c], g[k + 1, i, c], g[k + 2, i, c]
        t = s[j, c]
        v = R[e, row, c] * t
        gR[e, row, c] += t * (y0 * g0 + y1 * g1 + y2 * g2)
        s0 += v * g0
        s1 += v * g1
        s2 += v * g2
    gY[e, k], gY[e, k + 1], gY[e, k + 2] = s0, s1, s2


@inline
def _backward_three_x(g, i, R, e, row, s, x, j, Y, k, gR, gY):
    """As `_backward_three`, with features: gR += sum_n x[k + n - 1] g[k + n] too."""
    y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
    s0 = s1 = s2 = R.dtype.type(0)
    for c in range(g.shape[2]):
        g0, g1, g2 = g[k, i, c], g[k + 1, i, c], g[k + 2, i, c]
        t = s[j, c]
        v = R[e, row, c] * t
        own = x[k - 1, j, c] * g0 + x[k, j, c] * g1 + x[k + 1, j, c] * g2
        gR[e, row, c] += t * (y0 * g0 + y1 * g1 + y2 * g2) + own
        s0 += v * g0
        s1 += v * g1
        s2 += v * g2
    gY[e, k], gY[e, k + 1], gY[e, k + 2] = s0, s1, s2


@inline
def _backward_one(g, i, R, e, row, s, j, Y, k, gR, gY):
    y0 = Y[e, k]
    s0 = R.dtype.type(0)
    for c in range(g.shape[2]):
        g0 = g[k, i, c]
        gR[e, row, c] += s[j, c] * (y0 * g0)
        s0 += R[e, row, c] * s[j, c] * g0
    gY[e, k] = s0


@inline
def _backward_one_x(g, i, R, e, row, s, x, j, Y, k, gR, gY):
    y0 = Y[e, k]
    s0 = R.dtype.type(0)
    for c in range(g.shape[2]):
        g0 = g[k, i, c]
        gR[e, row, c] += (s[j, c] * y0 + x[k - 1, j, c]) * g0
        s0 += R[e, row, c] * s[j, c] * g0
    gY[e, k] = s0


@jit_no_alias
def backward_edges(start, stop, g, R, s, x, Y, sweeps, sender, receive_edges, receive_ptr, gR, gY):
    """Derivative with respect to what lives on edges: R and Y."""
    for i in range(start, stop):
        for p in range(receive_ptr[i], receive_ptr[i + 1]):
            e = receive_edges[p]
            j = sender[e]
            gR[e] = 0
            for q in range(sweeps.shape[0]):
                row, k, n = sweeps[q, 0], sweeps[q, 1], sweeps[q, 2]
                if 0 < k <= x.shape[0]:
                    if n == 3:
                        _backward_three_x(g, i, R, e, row, s, x, j, Y, k, gR, gY)
                    else:
                        _backward_one_x(g, i, R, e, row, s, x, j, Y, k, gR, gY)
                elif n == 3:
                    _backward_three(g, i, R, e, row, s, j, Y, k, gR, gY)
                else:
                    _backward_one(g, i, R, e, row, s, j, Y, k, gR, gY)


@inline
def _gather_three(g, i, R, e, row, Y, k, gs, j):
    """Three components: gs += R sum_n Y[k + n] g[k + n], n = 0..2."""
    y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
    for c in range(g.shape[2]):
        gs[j, c] += R[e, row, c] * (y0 * g[k, i, c] + y1 * g[k + 1, i, c] + y2 * g[k + 2, i, c])


@inline
def _gather_three_x(g, i, R, e, row, Y, k, gs, gx, j):
    """As `_gather_three`, and gx[k + n - 1] += R g[k + n]."""
    y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
    for c in range(g.shape[2]):
        r, g0, g1, g2 = R[e, row, c], g[k, i, c], g[k + 1, i, c], g[k + 2, i, c]
        gs[j, c] += r * (y0 * g0 + y1 * g1 + y2 * g2)
        gx[k - 1, j, c] += r * g0
        gx[k, j, c] += r * g1
        gx[k + 1, j, c] += r * g2


@inline
def _gather_one(g, i, R, e, row, Y, k, gs, j):
    y0 = Y[e, k]
    for c in range(g.shape[2]):
        gs[j, c] += R[e, row, c] * (y0 * g[k, i, c])


@inline
def _gather_one_x(g, i, R, e, row, Y, k, gs, gx, j):
    y0 = Y[e, k]
    for c in range(g.shape[2]):
        v = R[e, row, c] * g[k, i, c]
        gs[j, c] += y0 * v
        gx[k - 1, j, c] += v


@jit_no_alias
def backward_atoms(start, stop, g, R, Y, sweeps, receiver, send_edges, send_ptr, gs, gx):
    """Derivative with respect to what lives on the senders: s and x."""
    for j in range(start, stop):
        gs[j] = 0
        _clear(gx, gx.shape[0], j)
        for p in range(send_ptr[j], send_ptr[j + 1]):
            e = send_edges[p]
            i = receiver[e]
            for q in range(sweeps.shape[0]):
                row, k, n = sweeps[q, 0], sweeps[q, 1], sweeps[q, 2]
                if 0 < k <= gx.shape[0]:
                    if n == 3:
                        _gather_three_x(g, i, R, e, row, Y, k, gs, gx, j)
                    else:
                        _gather_one_x(g, i, R, e, row, Y, k, gs, gx, j)
                elif n == 3:
                    _gather_three(g, i, R, e, row, Y, k, gs, j)
                else:
                    _gather_one(g, i, R, e, row, Y, k, gs, j)


@inline
def _second_three(g, i, R, uR, e, row, s, us, j, Y, uY, k, dA, dR, dY):
    """With v = uR s + R us: dA += v Y + R s uY, dR += us sum_n Y g + s sum_n uY g, dY = sum_c v g, components k..k + 2."""
    y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
    u0, u1, u2 = uY[e, k], uY[e, k + 1], uY[e, k + 2]
    s0 = s1 = s2 = R.dtype.type(0)
    for c in range(g.shape[2]):
        g0, g1, g2 = g[k, i, c], g[k + 1, i, c], g[k + 2, i, c]
        r, t, ut = R[e, row, c], s[j, c], us[j, c]
        w = r * t
        v = uR[e, row, c] * t + r * ut
        dR[e, row, c] += ut * (y0 * g0 + y1 * g1 + y2 * g2) + t * (u0 * g0 + u1 * g1 + u2 * g2)
        dA[k, i, c] += v * y0 + w * u0
        dA[k + 1, i, c] += v * y1 + w * u1
        dA[k + 2, i, c] += v * y2 + w * u2
        s0 += v * g0
        s1 += v * g1
        s2 += v * g2
    dY[e, k], dY[e, k + 1], dY[e, k + 2] = s0, s1, s2


@inline
def _second_three_x(g, i, R, uR, e, row, s, us, x, ux, j, Y, uY, k, dA, dR, dY):
    """As `_second_three`, with features: dA += uR x + R ux and dR += sum_n ux g too."""
    y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
    u0, u1, u2 = uY[e, k], uY[e, k + 1], uY[e, k + 2]
    s0 = s1 = s2 = R.dtype.type(0)
    for c in range(g.shape[2]):
        g0, g1, g2 = g[k, i, c], g[k + 1, i, c], g[k + 2, i, c]
        r, ur, t, ut = R[e, row, c], uR[e, row, c], s[j, c], us[j, c]
        d0 = ut * y0 + t * u0 + ux[k - 1, j, c]
        d1 = ut * y1 + t * u1 + ux[k, j, c]
        d2 = ut * y2 + t * u2 + ux[k + 1, j, c]
        dR[e, row, c] += d0 * g0 + d1 * g1 + d2 * g2
        dA[k, i, c] += ur * (t * y0 + x[k - 1, j, c]) + r * d0
        dA[k + 1, i, c] += ur * (t * y1 + x[k, j, c]) + r * d1
        dA[k + 2, i, c] += ur * (t * y2 + x[k + 1, j, c]) + r * d2
        v = ur * t + r * ut
        s0 += v * g0
        s1 += v * g1
        s2 += v * g2
    dY[e, k], dY[e, k + 1], dY[e, k + 2] = s0, s1, s2


@inline
def _second_one(g, i, R, uR, e, row, s, us, j, Y, uY, k, dA, dR, dY):
    y0, u0 = Y[e, k], uY[e, k]
    s0 = R.dtype.type(0)
    for c in range(g.shape[2]):
        g0 = g[k, i, c]
        v = uR[e, row, c] * s[j, c] + R[e, row, c] * us[j, c]
        dR[e, row, c] += us[j, c] * (y0 * g0) + s[j, c] * (u0 * g0)
        dA[k, i, c] += v * y0 + R[e, row, c] * s[j, c] * u0
        s0 += v * g0
    dY[e, k] = s0


@inline
def _second_one_x(g, i, R, uR, e, row, s, us, x, ux, j, Y, uY, k, dA, dR, dY):
    y0, u0 = Y[e, k], uY[e, k]
    s0 = R.dtype.type(0)
    for c in range(g.shape[2]):
        g0 = g[k, i, c]
        r, ur, t, ut = R[e, row, c], uR[e, row, c], s[j, c], us[j, c]
        d0 = ut * y0 + t * u0 + ux[k - 1, j, c]
        dR[e, row, c] += d0 * g0
        dA[k, i, c] += ur * (t * y0 + x[k - 1, j, c]) + r * d0
        s0 += (ur * t + r * ut) * g0
    dY[e, k] = s0


@jit_no_alias
def second_edges(start, stop, g, R, s, x, Y, uR, us, ux, uY, sweeps, sender, receive_edges, receive_ptr, dA, dR, dY):
    """Directional derivative of `forward` (into dA) and of `backward_edges` (into dR, dY) along (uR, us, ux, uY)."""
    for i in range(start, stop):
        _clear(dA, dA.shape[0], i)
        for p in range(receive_ptr[i], receive_ptr[i + 1]):
            e = receive_edges[p]
            j = sender[e]
            dR[e] = 0
            for q in range(sweeps.shape[0]):
                row, k, n = sweeps[q, 0], sweeps[q, 1], sweeps[q, 2]
                if 0 < k <= x.shape[0]:
                    if n == 3:
                        _second_three_x(g, i, R, uR, e, row, s, us, x, ux, j, Y, uY, k, dA, dR, dY)
                    else:
                        _second_one_x(g, i, R, uR, e, row, s, us, x, ux, j, Y, uY, k, dA, dR, dY)
                elif n == 3:
                    _second_three(g, i, R, uR, e, row, s, us, j, Y, uY, k, dA, dR, dY)
                else:
                    _second_one(g, i, R, uR, e, row, s, us, j, Y, uY, k, dA, dR, dY)


@inline
def _second_gather_three(g, i, R, uR, e, row, Y, uY, k, ds, j):
    """Three components: ds += uR sum_n Y[k + n] g[k + n] + R sum_n uY[k + n] g[k + n], n = 0..2."""
    y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
    u0, u1, u2 = uY[e, k], uY[e, k + 1], uY[e, k + 2]
    for c in range(g.shape[2]):
        g0, g1, g2 = g[k, i, c], g[k + 1, i, c], g[k + 2, i, c]
        ds[j, c] += uR[e, row, c] * (y0 * g0 + y1 * g1 + y2 * g2) + R[e, row, c] * (u0 * g0 + u1 * g1 + u2 * g2)


@inline
def _second_gather_three_x(g, i, R, uR, e, row, Y, uY, k, ds, dx, j):
    """As `_second_gather_three`, and dx[k + n - 1] += uR g[k + n]."""
    y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
    u0, u1, u2 = uY[e, k], uY[e, k + 1], uY[e, k + 2]
    for c in range(g.shape[2]):
        g0, g1, g2 = g[k, i, c], g[k + 1, i, c], g[k + 2, i, c]
        ur = uR[e, row, c]
        ds[j, c] += ur * (y0 * g0 + y1 * g1 + y2 * g2) + R[e, row, c] * (u0 * g0 + u1 * g1 + u2 * g2)
        dx[k - 1, j, c] += ur * g0
        dx[k, j, c] += ur * g1
        dx[k + 1, j, c] += ur * g2


@inline
def _second_gather_one(g, i, R, uR, e, row, Y, uY, k, ds, j):
    y0, u0 = Y[e, k], uY[e, k]
    for c in range(g.shape[2]):
        ds[j, c] += (uR[e, row, c] * y0 + R[e, row, c] * u0) * g[k, i, c]


@inline
def _second_gather_one_x(g, i, R, uR, e, row, Y, uY, k, ds, dx, j):
    y0, u0 = Y[e, k], uY[e, k]
    for c in range(g.shape[2]):
        g0, ur = g[k, i, c], uR[e, row, c]
        ds[j, c] += (ur * y0 + R[e, row, c] * u0) * g0
        dx[k - 1, j, c] += ur * g0


@jit_no_alias
def second_atoms(start, stop, g, R, Y, uR, uY, sweeps, receiver, send_edges, send_ptr, ds, dx):
    """Directional derivative of `backward_atoms` along (uR, uY)."""
    for j in range(start, stop):
        ds[j] = 0
        _clear(dx, dx.shape[0], j)
        for p in range(send_ptr[j], send_ptr[j + 1]):
            e = send_edges[p]
            i = receiver[e]
            for q in range(sweeps.shape[0]):
                row, k, n = sweeps[q, 0], sweeps[q, 1], sweeps[q, 2]
                if 0 < k <= dx.shape[0]:
                    if n == 3:
                        _second_gather_three_x(g, i, R, uR, e, row, Y, uY, k, ds, dx, j)
                    else:
                        _second_gather_one_x(g, i, R, uR, e, row, Y, uY, k, ds, dx, j)
                elif n == 3:
                    _second_gather_three(g, i, R, uR, e, row, Y, uY, k, ds, j)
                else:
                    _second_gather_one(g, i, R, uR, e, row, Y, uY, k, ds, j)


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


def value(radial: Tensor, scalars: Tensor, features: Tensor, harmonics: Tensor, edges: Edges) -> Tensor:
    """The density."""
    out = radial.new_empty(harmonics.shape[1], *scalars.shape)
    run_ranges(
        *(forward, _ranges(edges.receive_order, harmonics, radial, 2)),
        *map(as_array, (radial, scalars, features, harmonics)),
        *(_sweeps(harmonics.shape[1]), edges.ends[0], *edges.receive_order, out.numpy()),
    )
    return out


def gradient(
    grad: Tensor, radial: Tensor, scalars: Tensor, features: Tensor, harmonics: Tensor, edges: Edges
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Derivatives with respect to the four factors."""
    of_radial, of_scalars, of_features, of_harmonics = map(torch.empty_like, (radial, scalars, features, harmonics))
    sweeps = _sweeps(harmonics.shape[1])
    g, r, s, x, y = map(as_array, (grad, radial, scalars, features, harmonics))
    gr, gs, gx, gy = (t.numpy() for t in (of_radial, of_scalars, of_features, of_harmonics))
    receivers = _ranges(edges.receive_order, harmonics, radial, 4)
    senders = _ranges(edges.send_order, harmonics, radial, 2)
    run_ranges(backward_edges, receivers, g, r, s, x, y, sweeps, edges.ends[0], *edges.receive_order, gr, gy)
    run_ranges(backward_atoms, senders, g, r, y, sweeps, edges.ends[1], *edges.send_order, gs, gx)
    return of_radial, of_scalars, of_features, of_harmonics


def second(saved: tuple[Tensor, ...], tangents: tuple[Tensor, ...], edges: Edges) -> tuple[Tensor, ...]:
    """Derivative of `value` and of `gradient`, whose arguments are saved, along the tangents of the four factors."""
    out = tuple(torch.empty_like(t) for t in saved)
    sweeps = _sweeps(saved[4].shape[1])
    g, r, s, x, y = map(as_array, saved)
    ur, us, ux, uy = map(as_array, tangents)
    dg, dr, ds, dx, dy = (t.numpy() for t in out)
    receivers = _ranges(edges.receive_order, saved[4], saved[1], 8)
    senders = _ranges(edges.send_order, saved[4], saved[1], 4)
    run_ranges(
        *(second_edges, receivers, g, r, s, x, y, ur, us, ux, uy),
        *(sweeps, edges.ends[0], *edges.receive_order, dg, dr, dy),
    )
    run_ranges(second_atoms, senders, g, r, y, ur, uy, sweeps, edges.ends[1], *edges.send_order, ds, dx)
    return out
