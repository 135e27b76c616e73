"""Compiled loops of the channel-wise tensor product: value, derivative, and derivative of the derivative.

Arrays are node-major, ``x[node, (l, m), channel]``, weights ``w[edge, path, channel]``. On every edge the harmonics and the
coupling coefficients make one small matrix a path, ``M_p[m3, m1] = sum_m2 C_p[m1, m2, m3] Y[m2]``; what is left is a
product of that matrix with the components of x, channel by channel. The table lists the paths as rows (first component of x,
2 l1 + 1, first component of the output, 2 l3 + 1, first entry of M), then the nonzero coefficients, each with the
entry of M and the component of Y that it joins.

Every loop runs over a range of receivers and writes to those only; derivatives of x, which belong to senders, are added to
a buffer of the range's own. Inner loops run over contiguous channels and write one array, for then the compiler turns them into
vector instructions; helpers take whole arrays and indices, for a view would count references.
"""

import numba
import numpy as np

_jit = numba.njit(cache=True, fastmath=True, nogil=True, error_model="numpy")
# called as functions the helpers would cost twice the time of the loops
_inline = numba.njit(fastmath=True, error_model="numpy", inline="always")


@_inline
def _entries(paths):
    """Number of entries of all matrices M."""
    last = paths.shape[0] - 1
    return paths[last, 4] + paths[last, 1] * paths[last, 3]


@_inline
def _matrices(Y, e, table, M):
    """Fill M, all paths in one row, from the harmonics of an edge."""
    _, entry, component, coefficient = table
    for r in range(M.shape[0]):
        M[r] = 0
    for t in range(coefficient.shape[0]):
        M[entry[t]] += coefficient[t] * Y[e, component[t]]


@_inline
def _to_harmonics(G, table, gY, e):
    """The transposed map, from a derivative with respect to M."""
    _, entry, component, coefficient = table
    for m in range(gY.shape[1]):
        gY[e, m] = 0
    for t in range(coefficient.shape[0]):
        gY[e, component[t]] += coefficient[t] * G[entry[t]]


# The counts of rows below are odd, 2 l + 1: three rows or one, then two at a time.


@_inline
def _add_weighted(M, r, x, j, a, count, w, e, p, out, i, k):
    """out[i, k] += w[e, p] sum_n M[r + n] x[j, a + n]."""
    n_c = out.shape[2]
    if count == 1:
        f0 = M[r]
        for c in range(n_c):
            out[i, k, c] += w[e, p, c] * (f0 * x[j, a, c])
        return
    f0, f1, f2 = M[r], M[r + 1], M[r + 2]
    for c in range(n_c):
        out[i, k, c] += w[e, p, c] * (f0 * x[j, a, c] + f1 * x[j, a + 1, c] + f2 * x[j, a + 2, c])
    for n in range(3, count, 2):
        f0, f1 = M[r + n], M[r + n + 1]
        for c in range(n_c):
            out[i, k, c] += w[e, p, c] * (f0 * x[j, a + n, c] + f1 * x[j, a + n + 1, c])


@_inline
def _transposed(M, r, step, g, i, k, count, out, m):
    """out[0, m] = sum_n M[r + n step] g[i, k + n]."""
    n_c = out.shape[2]
    if count == 1:
        f0 = M[r]
        for c in range(n_c):
            out[0, m, c] = f0 * g[i, k, c]
        return
    f0, f1, f2 = M[r], M[r + step], M[r + 2 * step]
    for c in range(n_c):
        out[0, m, c] = f0 * g[i, k, c] + f1 * g[i, k + 1, c] + f2 * g[i, k + 2, c]
    for n in range(3, count, 2):
        f0, f1 = M[r + n * step], M[r + (n + 1) * step]
        for c in range(n_c):
            out[0, m, c] += f0 * g[i, k + n, c] + f1 * g[i, k + n + 1, c]


@_inline
def _add_rows(M, r, left, count, out, i, k):
    """out[i, k] += sum_n M[r + n] left[0, n]."""
    n_c = out.shape[2]
    if count == 1:
        f0 = M[r]
        for c in range(n_c):
            out[i, k, c] += f0 * left[0, 0, c]
        return
    f0, f1, f2 = M[r], M[r + 1], M[r + 2]
    for c in range(n_c):
        out[i, k, c] += f0 * left[0, 0, c] + f1 * left[0, 1, c] + f2 * left[0, 2, c]
    for n in range(3, count, 2):
        f0, f1 = M[r + n], M[r + n + 1]
        for c in range(n_c):
            out[i, k, c] += f0 * left[0, n, c] + f1 * left[0, n + 1, c]


@_inline
def _add_products(left, x, j, a, count, out, e, p):
    """out[e, p] += sum_n left[0, n] x[j, a + n]."""
    n_c = out.shape[2]
    if count == 1:
        for c in range(n_c):
            out[e, p, c] += left[0, 0, c] * x[j, a, c]
        return
    for c in range(n_c):
        out[e, p, c] += left[0, 0, c] * x[j, a, c] + left[0, 1, c] * x[j, a + 1, c] + left[0, 2, c] * x[j, a + 2, c]
    for n in range(3, count, 2):
        for c in range(n_c):
            out[e, p, c] += left[0, n, c] * x[j, a + n, c] + left[0, n + 1, c] * x[j, a + n + 1, c]


@_inline
def _dots(left, count, g, i, k, G, r):
    """G[r + n] = sum_c left[0, n, c] g[i, k, c]."""
    n_c = g.shape[2]
    s0 = s1 = s2 = G.dtype.type(0)
    if count == 1:
        for c in range(n_c):
            s0 += left[0, 0, c] * g[i, k, c]
        G[r] = s0
        return
    for c in range(n_c):
        s0 += left[0, 0, c] * g[i, k, c]
        s1 += left[0, 1, c] * g[i, k, c]
        s2 += left[0, 2, c] * g[i, k, c]
    G[r], G[r + 1], G[r + 2] = s0, s1, s2
    for n in range(3, count, 2):
        s0 = s1 = G.dtype.type(0)
        for c in range(n_c):
            s0 += left[0, n, c] * g[i, k, c]
            s1 += left[0, n + 1, c] * g[i, k, c]
        G[r + n], G[r + n + 1] = s0, s1


@_jit
def forward(start, stop, x, Y, w, table, sender, receive_edges, receive_ptr, out):
    """out[i, m3] = sum over edges j -> i and paths p of w[p] sum_m1 M_p[m3, m1] x[j, m1]."""
    _, n_k, n_c = out.shape
    paths = table[0]
    M = np.empty(_entries(paths), x.dtype)
    for i in range(start, stop):
        for k in range(n_k):
            for c in range(n_c):
                out[i, k, c] = 0
        for q in range(receive_ptr[i], receive_ptr[i + 1]):
            e = receive_edges[q]
            j = sender[e]
            _matrices(Y, e, table, M)
            for p in range(paths.shape[0]):
                a, d1, k, d3, r = paths[p, 0], paths[p, 1], paths[p, 2], paths[p, 3], paths[p, 4]
                for m in range(d3):
                    _add_weighted(M, r + m * d1, x, j, a, d1, w, e, p, out, i, k + m)


@_jit
def backward(start, stop, g, x, Y, w, table, sender, receive_edges, receive_ptr, gY, gw, gx):
    """Derivatives; gx is this range's own and is added to."""
    n_c = g.shape[2]
    paths = table[0]
    M = np.empty(_entries(paths), x.dtype)
    G = np.empty_like(M)
    scaled = np.empty((1, x.shape[1], n_c), x.dtype)
    turned = np.empty_like(scaled)
    for i in range(start, stop):
        for q in range(receive_ptr[i], receive_ptr[i + 1]):
            e = receive_edges[q]
            j = sender[e]
            _matrices(Y, e, table, M)
            for p in range(paths.shape[0]):
                a, d1, k, d3, r = paths[p, 0], paths[p, 1], paths[p, 2], paths[p, 3], paths[p, 4]
                for m in range(d1):
                    for c in range(n_c):
                        scaled[0, m, c] = w[e, p, c] * x[j, a + m, c]
                    _transposed(M, r + m, d1, g, i, k, d3, turned, m)
                    for c in range(n_c):
                        gx[j, a + m, c] += w[e, p, c] * turned[0, m, c]
                for m in range(d3):
                    _dots(scaled, d1, g, i, k + m, G, r + m * d1)
                for c in range(n_c):
                    gw[e, p, c] = 0
                _add_products(turned, x, j, a, d1, gw, e, p)
            _to_harmonics(G, table, gY, e)


@_jit
def second(start, stop, g, x, Y, w, ux, uY, uw, table, sender, receive_edges, receive_ptr, dg, dY, dw, dx):
    """Directional derivative of `forward` (into dg) and of `backward` (into dY, dw; added to dx) along (ux, uY, uw)."""
    _, n_k, n_c = g.shape
    paths = table[0]
    M = np.empty(_entries(paths), x.dtype)
    N = np.empty_like(M)
    G = np.empty_like(M)
    scaled = np.empty((1, x.shape[1], n_c), x.dtype)
    changed = np.empty_like(scaled)
    turned = np.empty_like(scaled)
    moved = np.empty_like(scaled)
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
                for m in range(d1):
                    for c in range(n_c):
                        scaled[0, m, c] = w[e, p, c] * x[j, a + m, c]
                    for c in range(n_c):
                        changed[0, m, c] = w[e, p, c] * ux[j, a + m, c] + uw[e, p, c] * x[j, a + m, c]
                    _transposed(M, r + m, d1, g, i, k, d3, turned, m)
                    _transposed(N, r + m, d1, g, i, k, d3, moved, m)
                    for c in range(n_c):
                        dx[j, a + m, c] += w[e, p, c] * moved[0, m, c] + uw[e, p, c] * turned[0, m, c]
                for m in range(d3):
                    _add_rows(M, r + m * d1, changed, d1, dg, i, k + m)
                    _add_rows(N, r + m * d1, scaled, d1, dg, i, k + m)
                    _dots(changed, d1, g, i, k + m, G, r + m * d1)
                for c in range(n_c):
                    dw[e, p, c] = 0
                _add_products(turned, ux, j, a, d1, dw, e, p)
                _add_products(moved, x, j, a, d1, dw, e, p)
            _to_harmonics(G, table, dY, e)
