"""Compiled loops of the edge sum: value, derivative, and derivative of the derivative.

Arrays are component-major: densities ``A[(l, m), atom, channel]``, radial weights ``R[edge, l, channel]``. Features x begin with
l = 1: component k of the density meets ``x[k - 1]``, as far as there are features. Every loop runs over a range of receivers and writes to
those atoms, and their edges, only; derivatives of s and x, which belong to senders, are added to a buffer of the range's own: ranges run in
parallel without atomics, and sums have one order. Each sweep over the contiguous channels takes three components of a degree at a
time, or one, and does all that there is to do with them while they are in registers; ``sweeps`` lists them as (degree, first
component, how many). Four kinds of sweeps, with and without features, of three components and of one, are written out where they run: as
functions they would cost as much as they do, and inlined ones a fifth more of compiling. Indices go with whole arrays, for a view
would count references.
"""

from equishare.ops.jit import jit_no_alias


@jit_no_alias
def forward(start, stop, R, s, x, Y, sweeps, sender, receive_edges, receive_ptr, A):
    """A[lm, i] = sum_j R[l] (s[j] Y[lm] + x[lm - 1, j]), lm counted from 0."""
    for i in range(start, stop):
        for k in range(A.shape[0]):
            for c in range(A.shape[2]):
                A[k, i, c] = 0
        for p in range(receive_ptr[i], receive_ptr[i + 1]):
            e = receive_edges[p]
            j = sender[e]
            for q in range(sweeps.shape[0]):
                row, k, n = sweeps[q, 0], sweeps[q, 1], sweeps[q, 2]
                if 0 < k <= x.shape[0]:
                    if n == 3:
                        y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
                        for c in range(A.shape[2]):
                            r, t = R[e, row, c], s[j, c]
                            A[k, i, c] += r * (t * y0 + x[k - 1, j, c])
                            A[k + 1, i, c] += r * (t * y1 + x[k, j, c])
                            A[k + 2, i, c] += r * (t * y2 + x[k + 1, j, c])
                    else:
                        y0 = Y[e, k]
                        for c in range(A.shape[2]):
                            A[k, i, c] += R[e, row, c] * (s[j, c] * y0 + x[k - 1, j, c])
                elif n == 3:
                    y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
                    for c in range(A.shape[2]):
                        v = R[e, row, c] * s[j, c]
                        A[k, i, c] += v * y0
                        A[k + 1, i, c] += v * y1
                        A[k + 2, i, c] += v * y2
                else:
                    y0 = Y[e, k]
                    for c in range(A.shape[2]):
                        A[k, i, c] += R[e, row, c] * (s[j, c] * y0)


@jit_no_alias
def backward(start, stop, g, R, s, x, Y, sweeps, sender, receive_edges, receive_ptr, gR, gY, gs, gx):
    """Derivatives; gs and gx are this range's own and are added to."""
    for i in range(start, stop):
        for p in range(receive_ptr[i], receive_ptr[i + 1]):
            e = receive_edges[p]
            j = sender[e]
            for row in range(gR.shape[1]):
                for c in range(gR.shape[2]):
                    gR[e, row, c] = 0
            for q in range(sweeps.shape[0]):
                row, k, n = sweeps[q, 0], sweeps[q, 1], sweeps[q, 2]
                if 0 < k <= x.shape[0]:
                    if n == 3:
                        y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
                        s0 = s1 = s2 = R.dtype.type(0)
                        # with u = sum_n Y[k + n] g[k + n]: gR += s u + sum_n x g, gs += R u, gx += R g, gY = sum_c R s g
                        for c in range(g.shape[2]):
                            g0, g1, g2 = g[k, i, c], g[k + 1, i, c], g[k + 2, i, c]
                            r, t = R[e, row, c], s[j, c]
                            u = y0 * g0 + y1 * g1 + y2 * g2
                            gR[e, row, c] += t * u + x[k - 1, j, c] * g0 + x[k, j, c] * g1 + x[k + 1, j, c] * g2
                            gs[j, c] += r * u
                            gx[k - 1, j, c] += r * g0
                            gx[k, j, c] += r * g1
                            gx[k + 1, j, c] += r * g2
                            v = r * t
                            s0 += v * g0
                            s1 += v * g1
                            s2 += v * g2
                        gY[e, k], gY[e, k + 1], gY[e, k + 2] = s0, s1, s2
                    else:
                        y0 = Y[e, k]
                        s0 = R.dtype.type(0)
                        for c in range(g.shape[2]):
                            g0, r, t = g[k, i, c], R[e, row, c], s[j, c]
                            gR[e, row, c] += (t * y0 + x[k - 1, j, c]) * g0
                            gs[j, c] += r * (y0 * g0)
                            gx[k - 1, j, c] += r * g0
                            s0 += r * t * g0
                        gY[e, k] = s0
                elif n == 3:
                    y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
                    s0 = s1 = s2 = R.dtype.type(0)
                    for c in range(g.shape[2]):
                        g0, g1, g2 = g[k, i, c], g[k + 1, i, c], g[k + 2, i, c]
                        r, t = R[e, row, c], s[j, c]
                        u = y0 * g0 + y1 * g1 + y2 * g2
                        gR[e, row, c] += t * u
                        gs[j, c] += r * u
                        v = r * t
                        s0 += v * g0
                        s1 += v * g1
                        s2 += v * g2
                    gY[e, k], gY[e, k + 1], gY[e, k + 2] = s0, s1, s2
                else:
                    y0 = Y[e, k]
                    s0 = R.dtype.type(0)
                    for c in range(g.shape[2]):
                        g0, r, t = g[k, i, c], R[e, row, c], s[j, c]
                        gR[e, row, c] += t * (y0 * g0)
                        gs[j, c] += r * (y0 * g0)
                        s0 += r * t * g0
                    gY[e, k] = s0


@jit_no_alias
def second(start, stop, g, R, s, x, Y, uR, us, ux, uY, sweeps, sender, receive_edges, receive_ptr, dA, dR, dY, ds, dx):
    """Directional derivative of `forward` (into dA) and of `backward` (into dR, dY; added to ds, dx) along (uR, us, ux, uY)."""
    for i in range(start, stop):
        for k in range(dA.shape[0]):
            for c in range(dA.shape[2]):
                dA[k, i, c] = 0
        for p in range(receive_ptr[i], receive_ptr[i + 1]):
            e = receive_edges[p]
            j = sender[e]
            for row in range(dR.shape[1]):
                for c in range(dR.shape[2]):
                    dR[e, row, c] = 0
            for q in range(sweeps.shape[0]):
                row, k, n = sweeps[q, 0], sweeps[q, 1], sweeps[q, 2]
                if 0 < k <= x.shape[0]:
                    if n == 3:
                        y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
                        u0, u1, u2 = uY[e, k], uY[e, k + 1], uY[e, k + 2]
                        s0 = s1 = s2 = R.dtype.type(0)
                        for c in range(g.shape[2]):
                            g0, g1, g2 = g[k, i, c], g[k + 1, i, c], g[k + 2, i, c]
                            r, ur, t, ut = R[e, row, c], uR[e, row, c], s[j, c], us[j, c]
                            # derivative of s Y + x
                            d0 = ut * y0 + t * u0 + ux[k - 1, j, c]
                            d1 = ut * y1 + t * u1 + ux[k, j, c]
                            d2 = ut * y2 + t * u2 + ux[k + 1, j, c]
                            dR[e, row, c] += d0 * g0 + d1 * g1 + d2 * g2
                            dA[k, i, c] += ur * (t * y0 + x[k - 1, j, c]) + r * d0
                            dA[k + 1, i, c] += ur * (t * y1 + x[k, j, c]) + r * d1
                            dA[k + 2, i, c] += ur * (t * y2 + x[k + 1, j, c]) + r * d2
                            ds[j, c] += ur * (y0 * g0 + y1 * g1 + y2 * g2) + r * (u0 * g0 + u1 * g1 + u2 * g2)
                            dx[k - 1, j, c] += ur * g0
                            dx[k, j, c] += ur * g1
                            dx[k + 1, j, c] += ur * g2
                            v = ur * t + r * ut
                            s0 += v * g0
                            s1 += v * g1
                            s2 += v * g2
                        dY[e, k], dY[e, k + 1], dY[e, k + 2] = s0, s1, s2
                    else:
                        y0, u0 = Y[e, k], uY[e, k]
                        s0 = R.dtype.type(0)
                        for c in range(g.shape[2]):
                            g0, r, ur, t, ut = g[k, i, c], R[e, row, c], uR[e, row, c], s[j, c], us[j, c]
                            d0 = ut * y0 + t * u0 + ux[k - 1, j, c]
                            dR[e, row, c] += d0 * g0
                            dA[k, i, c] += ur * (t * y0 + x[k - 1, j, c]) + r * d0
                            ds[j, c] += (ur * y0 + r * u0) * g0
                            dx[k - 1, j, c] += ur * g0
                            s0 += (ur * t + r * ut) * g0
                        dY[e, k] = s0
                elif n == 3:
                    y0, y1, y2 = Y[e, k], Y[e, k + 1], Y[e, k + 2]
                    u0, u1, u2 = uY[e, k], uY[e, k + 1], uY[e, k + 2]
                    s0 = s1 = s2 = R.dtype.type(0)
                    for c in range(g.shape[2]):
                        g0, g1, g2 = g[k, i, c], g[k + 1, i, c], g[k + 2, i, c]
                        r, ur, t, ut = R[e, row, c], uR[e, row, c], s[j, c], us[j, c]
                        a = y0 * g0 + y1 * g1 + y2 * g2
                        b = u0 * g0 + u1 * g1 + u2 * g2
                        w = r * t
                        v = ur * t + r * ut
                        dR[e, row, c] += ut * a + t * b
                        ds[j, c] += ur * a + r * b
                        dA[k, i, c] += v * y0 + w * u0
                        dA[k + 1, i, c] += v * y1 + w * u1
                        dA[k + 2, i, c] += v * y2 + w * u2
                        s0 += v * g0
                        s1 += v * g1
                        s2 += v * g2
                    dY[e, k], dY[e, k + 1], dY[e, k + 2] = s0, s1, s2
                else:
                    y0, u0 = Y[e, k], uY[e, k]
                    s0 = R.dtype.type(0)
                    for c in range(g.shape[2]):
                        g0, r, ur, t, ut = g[k, i, c], R[e, row, c], uR[e, row, c], s[j, c], us[j, c]
                        v = ur * t + r * ut
                        dR[e, row, c] += (ut * y0 + t * u0) * g0
                        dA[k, i, c] += v * y0 + r * t * u0
                        ds[j, c] += (ur * y0 + r * u0) * g0
                        s0 += v * g0
                    dY[e, k] = s0
