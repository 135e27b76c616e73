"""Compiled loops of the edge sum: value, derivative, and derivative of the derivative.

Arrays are component-major: densities ``A[(l, m), atom, channel]``, radial weights ``R[edge, row, channel]``. Rows
0..L of R weight the scalars times a spherical harmonic, the rows after them the neighbour's own components. Every
loop runs over a range of atoms and writes to those atoms, or their edges, only: ranges run in parallel without atomics, and sums
have one order. Each sweep over the contiguous channels takes three components of a degree at a time, or one, and does all that there
is to do with them while they are in registers; ``sweeps`` lists them as (degree, first component, how many). Helpers take whole arrays and indices, for a view would count references.
"""

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
def _forward_one(R, e, row, s, j, Y, k, A, i):
    y0 = Y[e, k]
    for c in range(A.shape[2]):
        A[k, i, c] += R[e, row, c] * s[j, c] * y0


@inline
def _scale(R, e, row, x, k, j, out, i):
    """out[k, i] += R x[k, j]."""
    for c in range(out.shape[2]):
        out[k, i, c] += R[e, row, c] * x[k, j, c]


@jit_no_alias
def forward(start, stop, R, s, x, Y, sweeps, degree_x, sender, receive_edges, receive_ptr, A):
    """A[lm, i] = sum_j R[l] s[j] Y[lm] + R[L + 1 + l] x[lm, j]."""
    n_l = sweeps[-1, 0] + 1
    for i in range(start, stop):
        _clear(A, A.shape[0], i)
        for p in range(receive_ptr[i], receive_ptr[i + 1]):
            e = receive_edges[p]
            j = sender[e]
            for q in range(sweeps.shape[0]):
                row, k = sweeps[q, 0], sweeps[q, 1]
                if sweeps[q, 2] == 3:
                    _forward_three(R, e, row, s, j, Y, k, A, i)
                else:
                    _forward_one(R, e, row, s, j, Y, k, A, i)
            for k in range(x.shape[0]):
                _scale(R, e, n_l + degree_x[k], x, k, j, A, i)


@inline
def _backward_three(g, i, R, e, row, s, j, Y, k, gR, gY):
    """Three components: gR += s sum_n Y[k + n] g[k + n] and gY[k + n] = sum_c R s g[k + n], n = 0..2."""
    y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
    s0 = s1 = s2 = R.dtype.type(0)
    for c in range(g.shape[2]):
        g0, g1, g2 = g[k, i, c], g[k + 1, i, c], g[k + 2, i, c]
        v = R[e, row, c] * s[j, c]
        gR[e, row, c] += s[j, c] * (y0 * g0 + y1 * g1 + y2 * g2)
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


@jit_no_alias
def backward_edges(start, stop, g, R, s, x, Y, sweeps, degree_x, sender, receive_edges, receive_ptr, gR, gY):
    """Derivative with respect to what lives on edges: R and Y."""
    n_l = sweeps[-1, 0] + 1
    for i in range(start, stop):
        for p in range(receive_ptr[i], receive_ptr[i + 1]):
            e = receive_edges[p]
            j = sender[e]
            gR[e] = 0
            for q in range(sweeps.shape[0]):
                row, k = sweeps[q, 0], sweeps[q, 1]
                if sweeps[q, 2] == 3:
                    _backward_three(g, i, R, e, row, s, j, Y, k, gR, gY)
                else:
                    _backward_one(g, i, R, e, row, s, j, Y, k, gR, gY)
            for k in range(x.shape[0]):
                row = n_l + degree_x[k]
                for c in range(g.shape[2]):
                    gR[e, row, c] += g[k, i, c] * x[k, j, c]


@inline
def _gather_three(g, i, R, e, row, Y, k, gs, j):
    """Three components: gs += R sum_n Y[k + n] g[k + n], n = 0..2."""
    y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
    for c in range(g.shape[2]):
        gs[j, c] += R[e, row, c] * (y0 * g[k, i, c] + y1 * g[k + 1, i, c] + y2 * g[k + 2, i, c])


@inline
def _gather_one(g, i, R, e, row, Y, k, gs, j):
    y0 = Y[e, k]
    for c in range(g.shape[2]):
        gs[j, c] += R[e, row, c] * (y0 * g[k, i, c])


@jit_no_alias
def backward_atoms(start, stop, g, R, Y, sweeps, degree_x, receiver, send_edges, send_ptr, gs, gx):
    """Derivative with respect to what lives on the senders: s and x."""
    n_l = sweeps[-1, 0] + 1
    for j in range(start, stop):
        gs[j] = 0
        _clear(gx, gx.shape[0], j)
        for p in range(send_ptr[j], send_ptr[j + 1]):
            e = send_edges[p]
            i = receiver[e]
            for q in range(sweeps.shape[0]):
                row, k = sweeps[q, 0], sweeps[q, 1]
                if sweeps[q, 2] == 3:
                    _gather_three(g, i, R, e, row, Y, k, gs, j)
                else:
                    _gather_one(g, i, R, e, row, Y, k, gs, j)
            for k in range(gx.shape[0]):
                _scale(R, e, n_l + degree_x[k], g, k, i, gx, j)


@inline
def _second_three(g, i, R, uR, e, row, s, us, j, Y, uY, k, dA, dR, dY):
    """With v = uR s + R us: dA += v Y + R s uY, dR += us sum_n Y g + s sum_n uY g, dY = sum_c v g, components k..k + 2."""
    y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
    u0, u1, u2 = uY[e, k], uY[e, k + 1], uY[e, k + 2]
    s0 = s1 = s2 = R.dtype.type(0)
    for c in range(g.shape[2]):
        g0, g1, g2 = g[k, i, c], g[k + 1, i, c], g[k + 2, i, c]
        w = R[e, row, c] * s[j, c]
        v = uR[e, row, c] * s[j, c] + R[e, row, c] * us[j, c]
        dR[e, row, c] += us[j, c] * (y0 * g0 + y1 * g1 + y2 * g2) + s[j, c] * (u0 * g0 + u1 * g1 + u2 * g2)
        dA[k, i, c] += v * y0 + w * u0
        dA[k + 1, i, c] += v * y1 + w * u1
        dA[k + 2, i, c] += v * y2 + w * u2
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


@jit_no_alias
def second_edges(
    start, stop, g, R, s, x, Y, uR, us, ux, uY, sweeps, degree_x, sender, receive_edges, receive_ptr, dA, dR, dY
):
    """Directional derivative of `forward` (into dA) and of `backward_edges` (into dR, dY) along (uR, us, ux, uY)."""
    n_l = sweeps[-1, 0] + 1
    for i in range(start, stop):
        _clear(dA, dA.shape[0], i)
        for p in range(receive_ptr[i], receive_ptr[i + 1]):
            e = receive_edges[p]
            j = sender[e]
            dR[e] = 0
            for q in range(sweeps.shape[0]):
                row, k = sweeps[q, 0], sweeps[q, 1]
                if sweeps[q, 2] == 3:
                    _second_three(g, i, R, uR, e, row, s, us, j, Y, uY, k, dA, dR, dY)
                else:
                    _second_one(g, i, R, uR, e, row, s, us, j, Y, uY, k, dA, dR, dY)
            for k in range(x.shape[0]):
                row = n_l + degree_x[k]
                for c in range(g.shape[2]):
                    dR[e, row, c] += g[k, i, c] * ux[k, j, c]
                    dA[k, i, c] += uR[e, row, c] * x[k, j, c] + R[e, row, c] * ux[k, j, c]


@inline
def _second_gather_three(g, i, R, uR, e, row, Y, uY, k, ds, j):
    """Three components: ds += uR sum_n Y[k + n] g[k + n] + R sum_n uY[k + n] g[k + n], n = 0..2."""
    y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
    u0, u1, u2 = uY[e, k], uY[e, k + 1], uY[e, k + 2]
    for c in range(g.shape[2]):
        g0, g1, g2 = g[k, i, c], g[k + 1, i, c], g[k + 2, i, c]
        ds[j, c] += uR[e, row, c] * (y0 * g0 + y1 * g1 + y2 * g2) + R[e, row, c] * (u0 * g0 + u1 * g1 + u2 * g2)


@inline
def _second_gather_one(g, i, R, uR, e, row, Y, uY, k, ds, j):
    y0, u0 = Y[e, k], uY[e, k]
    for c in range(g.shape[2]):
        ds[j, c] += (uR[e, row, c] * y0 + R[e, row, c] * u0) * g[k, i, c]


@jit_no_alias
def second_atoms(start, stop, g, R, Y, uR, uY, sweeps, degree_x, receiver, send_edges, send_ptr, ds, dx):
    """Directional derivative of `backward_atoms` along (uR, uY)."""
    n_l = sweeps[-1, 0] + 1
    for j in range(start, stop):
        ds[j] = 0
        _clear(dx, dx.shape[0], j)
        for p in range(send_ptr[j], send_ptr[j + 1]):
            e = send_edges[p]
            i = receiver[e]
            for q in range(sweeps.shape[0]):
                row, k = sweeps[q, 0], sweeps[q, 1]
                if sweeps[q, 2] == 3:
                    _second_gather_three(g, i, R, uR, e, row, Y, uY, k, ds, j)
                else:
                    _second_gather_one(g, i, R, uR, e, row, Y, uY, k, ds, j)
            for k in range(dx.shape[0]):
                _scale(uR, e, n_l + degree_x[k], g, k, i, dx, j)
