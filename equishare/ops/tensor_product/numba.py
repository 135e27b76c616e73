"""Compiled loops of the channel-wise tensor product: value, derivative, and derivative of the derivative.

Arrays are node-major, ``x[node, (l, m), channel]``, weights ``w[edge, path, channel]``. On every edge the harmonics and the
coupling coefficients make one small matrix a path, ``M_p[m3, m1] = sum_m2 C_p[m1, m2, m3] Y[m2]``; what is left is a
product of that matrix with the components of x, channel by channel. The table lists the paths as rows (first component of x,
2 l1 + 1, first component of the output, 2 l3 + 1, first entry of M), then the nonzero coefficients, each with the
entry of M and the component of Y that it joins.

Every loop runs over a range of receivers and writes to those only; derivatives of x, which belong to senders, are added to
a buffer of the range's own. Each sweep over the contiguous channels takes three rows of M at a time, or one, and does all that there
is to do with them while they are in registers. Helpers take whole arrays and indices, for a view would count references.
"""

import numpy as np

from equishare.ops.jit import inline, jit_no_alias


@inline
def _entries(paths):
    """Number of entries of all matrices M."""
    last = paths.shape[0] - 1
    return paths[last, 4] + paths[last, 1] * paths[last, 3]


@inline
def _matrices(Y, e, table, M):
    """Fill M, all paths in one row, from the harmonics of an edge."""
    _, entry, component, coefficient = table
    for r in range(M.shape[0]):
        M[r] = 0
    for t in range(coefficient.shape[0]):
        M[entry[t]] += coefficient[t] * Y[e, component[t]]


@inline
def _to_harmonics(G, table, gY, e):
    """The transposed map, from a derivative with respect to M."""
    _, entry, component, coefficient = table
    for m in range(gY.shape[1]):
        gY[e, m] = 0
    for t in range(coefficient.shape[0]):
        gY[e, component[t]] += coefficient[t] * G[entry[t]]


@inline
def _forward_three(M, r, x, j, a, w, e, p, out, i, k):
    """out[k] += w sum_n M[r + n] x[a + n], n = 0..2."""
    f0, f1, f2 = M[r], M[r + 1], M[r + 2]
    for c in range(out.shape[2]):
        out[i, k, c] += w[e, p, c] * (f0 * x[j, a, c] + f1 * x[j, a + 1, c] + f2 * x[j, a + 2, c])


@inline
def _forward_one(M, r, x, j, a, w, e, p, out, i, k):
    f0 = M[r]
    for c in range(out.shape[2]):
        out[i, k, c] += w[e, p, c] * (f0 * x[j, a, c])


@inline
def _set_three(M, r, x, j, a, w, e, p, out, i, k):
    """As `_forward_three`, into a row that holds nothing yet."""
    f0, f1, f2 = M[r], M[r + 1], M[r + 2]
    for c in range(out.shape[2]):
        out[i, k, c] = w[e, p, c] * (f0 * x[j, a, c] + f1 * x[j, a + 1, c] + f2 * x[j, a + 2, c])


@inline
def _set_one(M, r, x, j, a, w, e, p, out, i, k):
    f0 = M[r]
    for c in range(out.shape[2]):
        out[i, k, c] = w[e, p, c] * (f0 * x[j, a, c])


@jit_no_alias
def forward(start, stop, x, Y, w, table, sender, receive_edges, receive_ptr, out):
    """out[i, m3] = sum over edges j -> i and paths p of w[p] sum_m1 M_p[m3, m1] x[j, m1]."""
    _, n_k, n_c = out.shape
    paths = table[0]
    M = np.empty(_entries(paths), x.dtype)
    for i in range(start, stop):
        if receive_ptr[i] == receive_ptr[i + 1]:
            for k in range(n_k):
                for c in range(n_c):
                    out[i, k, c] = 0
        for q in range(receive_ptr[i], receive_ptr[i + 1]):
            e = receive_edges[q]
            j = sender[e]
            _matrices(Y, e, table, M)
            for p in range(paths.shape[0]):
                a, d1, k, d3, r = paths[p, 0], paths[p, 1], paths[p, 2], paths[p, 3], paths[p, 4]
                for n in range(d3):
                    m = 0
                    # a receiver's first edge starts the sum; where there is no sum, every edge does
                    if q == receive_ptr[i]:
                        if d1 >= 3:
                            _set_three(M, r + n * d1, x, j, a, w, e, p, out, i, k + n)
                            m = 3
                        else:
                            _set_one(M, r + n * d1, x, j, a, w, e, p, out, i, k + n)
                            m = 1
                    while m + 3 <= d1:
                        _forward_three(M, r + n * d1 + m, x, j, a + m, w, e, p, out, i, k + n)
                        m += 3
                    while m < d1:
                        _forward_one(M, r + n * d1 + m, x, j, a + m, w, e, p, out, i, k + n)
                        m += 1


@inline
def _backward_three(M, G, r, step, g, i, k, x, j, a, w, e, p, gx, gw):
    """With t = sum_n M[r + n step] g[k + n]: gx += w t, gw += x t, and G[r + n step] = sum_c w x g[k + n], n = 0..2."""
    f0, f1, f2 = M[r], M[r + step], M[r + 2 * step]
    s0 = s1 = s2 = M.dtype.type(0)
    for c in range(g.shape[2]):
        g0, g1, g2 = g[i, k, c], g[i, k + 1, c], g[i, k + 2, c]
        v, y = w[e, p, c], x[j, a, c]
        t = f0 * g0 + f1 * g1 + f2 * g2
        gx[j, a, c] += v * t
        gw[e, p, c] += y * t
        z = v * y
        s0 += z * g0
        s1 += z * g1
        s2 += z * g2
    G[r], G[r + step], G[r + 2 * step] = s0, s1, s2


@inline
def _backward_one(M, G, r, g, i, k, x, j, a, w, e, p, gx, gw):
    f0 = M[r]
    s0 = M.dtype.type(0)
    for c in range(g.shape[2]):
        g0, v, y = g[i, k, c], w[e, p, c], x[j, a, c]
        gx[j, a, c] += v * (f0 * g0)
        gw[e, p, c] += y * (f0 * g0)
        s0 += v * y * g0
    G[r] = s0


@jit_no_alias
def backward(start, stop, g, x, Y, w, table, sender, receive_edges, receive_ptr, gY, gw, gx):
    """Derivatives; gx is this range's own and is added to."""
    n_c = g.shape[2]
    paths = table[0]
    M = np.empty(_entries(paths), x.dtype)
    G = np.empty_like(M)
    for i in range(start, stop):
        for q in range(receive_ptr[i], receive_ptr[i + 1]):
            e = receive_edges[q]
            j = sender[e]
            _matrices(Y, e, table, M)
            for p in range(paths.shape[0]):
                a, d1, k, d3, r = paths[p, 0], paths[p, 1], paths[p, 2], paths[p, 3], paths[p, 4]
                for c in range(n_c):
                    gw[e, p, c] = 0
                for m in range(d1):
                    n = 0
                    while n + 3 <= d3:
                        _backward_three(M, G, r + n * d1 + m, d1, g, i, k + n, x, j, a + m, w, e, p, gx, gw)
                        n += 3
                    while n < d3:
                        _backward_one(M, G, r + n * d1 + m, g, i, k + n, x, j, a + m, w, e, p, gx, gw)
                        n += 1
            _to_harmonics(G, table, gY, e)


@inline
def _second_three(M, N, G, r, step, g, i, k, x, j, a, w, e, p, ux, uw, dg, dx, dw):
    """As `_backward_three`, differentiated along (ux, uw) and, in N as Y is in M, uY."""
    f0, f1, f2 = M[r], M[r + step], M[r + 2 * step]
    h0, h1, h2 = N[r], N[r + step], N[r + 2 * step]
    s0 = s1 = s2 = M.dtype.type(0)
    for c in range(g.shape[2]):
        g0, g1, g2 = g[i, k, c], g[i, k + 1, c], g[i, k + 2, c]
        v, y, uv, uy = w[e, p, c], x[j, a, c], uw[e, p, c], ux[j, a, c]
        t = f0 * g0 + f1 * g1 + f2 * g2
        u = h0 * g0 + h1 * g1 + h2 * g2
        dx[j, a, c] += v * u + uv * t
        dw[e, p, c] += y * u + uy * t
        z, uz = v * y, v * uy + uv * y
        s0 += uz * g0
        s1 += uz * g1
        s2 += uz * g2
        dg[i, k, c] += f0 * uz + h0 * z
        dg[i, k + 1, c] += f1 * uz + h1 * z
        dg[i, k + 2, c] += f2 * uz + h2 * z
    G[r], G[r + step], G[r + 2 * step] = s0, s1, s2


@inline
def _second_one(M, N, G, r, g, i, k, x, j, a, w, e, p, ux, uw, dg, dx, dw):
    f0, h0 = M[r], N[r]
    s0 = M.dtype.type(0)
    for c in range(g.shape[2]):
        g0, v, y, uv, uy = g[i, k, c], w[e, p, c], x[j, a, c], uw[e, p, c], ux[j, a, c]
        t, u = f0 * g0, h0 * g0
        dx[j, a, c] += v * u + uv * t
        dw[e, p, c] += y * u + uy * t
        z, uz = v * y, v * uy + uv * y
        s0 += uz * g0
        dg[i, k, c] += f0 * uz + h0 * z
    G[r] = s0


@jit_no_alias
def second(start, stop, g, x, Y, w, ux, uY, uw, table, sender, receive_edges, receive_ptr, dg, dY, dw, dx):
    """Directional derivative of `forward` (into dg) and of `backward` (into dY, dw; added to dx) along (ux, uY, uw)."""
    _, n_k, n_c = g.shape
    paths = table[0]
    M = np.empty(_entries(paths), x.dtype)
    N = np.empty_like(M)
    G = np.empty_like(M)
    for i in range(start, stop):
        for k in range(n_k):
            for c in range(n_c):
                dg[i, k, c] = 0
        for q in range(receive_ptr[i], receive_ptr[i + 1]):
            e = receive_edges[q]
            j = sender[e]
            _matrices(Y, e, table, M)
            _matrices(uY, e, table, N)
            for p in range(paths.shape[0]):
                a, d1, k, d3, r = paths[p, 0], paths[p, 1], paths[p, 2], paths[p, 3], paths[p, 4]
                for c in range(n_c):
                    dw[e, p, c] = 0
                for m in range(d1):
                    n = 0
                    while n + 3 <= d3:
                        _second_three(
                            M, N, G, r + n * d1 + m, d1, g, i, k + n, x, j, a + m, w, e, p, ux, uw, dg, dx, dw
                        )
                        n += 3
                    while n < d3:
                        _second_one(M, N, G, r + n * d1 + m, g, i, k + n, x, j, a + m, w, e, p, ux, uw, dg, dx, dw)
                        n += 1
            _to_harmonics(G, table, dY, e)
