"""Compiled loops of the edge sum: value, derivative, and derivative of the derivative.

Arrays are component-major: densities ``A[(l, m), atom, channel]``, radial weights ``R[edge, row, channel]``. Rows
0..L of R weight the scalars times a spherical harmonic, the rows after them the neighbour's own components. Every
loop runs over a range of atoms and writes to those atoms only: ranges run in parallel without atomics, and sums have one
order. Inner loops write one array each, for then the compiler turns them into vector instructions.
"""

import numba
import numpy as np

_jit = numba.njit(cache=True, fastmath=True, nogil=True, error_model="numpy")


@_jit
def forward(start, stop, R, s, x, Y, degree_y, degree_x, sender, receive_edges, receive_ptr, A):
    """A[lm, i] = sum_j R[l] s[j] Y[lm] + R[L + 1 + l] x[lm, j]."""
    n_y, _, n_c = A.shape
    n_x = x.shape[0]
    n_l = degree_y[n_y - 1] + 1
    for i in range(start, stop):
        scaled = np.empty(n_c, R.dtype)
        for k in range(n_y):
            for c in range(n_c):
                A[k, i, c] = 0
        for p in range(receive_ptr[i], receive_ptr[i + 1]):
            e = receive_edges[p]
            j = sender[e]
            k = 0
            for degree in range(n_l):
                for c in range(n_c):
                    scaled[c] = R[e, degree, c] * s[j, c]
                for _ in range(2 * degree + 1):
                    y = Y[e, k]
                    for c in range(n_c):
                        A[k, i, c] += scaled[c] * y
                    k += 1
            for k in range(n_x):
                row = n_l + degree_x[k]
                for c in range(n_c):
                    A[k, i, c] += R[e, row, c] * x[k, j, c]


@_jit
def backward_edges(start, stop, gA, R, s, x, Y, degree_y, degree_x, sender, receive_edges, receive_ptr, gR, gY):
    """Derivative with respect to what lives on edges: R and Y."""
    n_y, _, n_c = gA.shape
    n_x = x.shape[0]
    n_l = degree_y[n_y - 1] + 1
    for i in range(start, stop):
        moment = np.empty(n_c, R.dtype)
        scaled = np.empty(n_c, R.dtype)
        for p in range(receive_ptr[i], receive_ptr[i + 1]):
            e = receive_edges[p]
            j = sender[e]
            k = 0
            for degree in range(n_l):
                for c in range(n_c):
                    moment[c] = 0
                for c in range(n_c):
                    scaled[c] = R[e, degree, c] * s[j, c]
                for _ in range(2 * degree + 1):
                    y = Y[e, k]
                    total = R.dtype.type(0)
                    for c in range(n_c):
                        moment[c] += gA[k, i, c] * y
                    for c in range(n_c):
                        total += gA[k, i, c] * scaled[c]
                    gY[e, k] = total
                    k += 1
                for c in range(n_c):
                    gR[e, degree, c] = moment[c] * s[j, c]
            for row in range(n_l, R.shape[1]):
                for c in range(n_c):
                    gR[e, row, c] = 0
            for k in range(n_x):
                row = n_l + degree_x[k]
                for c in range(n_c):
                    gR[e, row, c] += gA[k, i, c] * x[k, j, c]


@_jit
def backward_atoms(start, stop, gA, R, Y, degree_y, degree_x, receiver, send_edges, send_ptr, gs, gx):
    """Derivative with respect to what lives on the senders: s and x."""
    n_y, _, n_c = gA.shape
    n_x = gx.shape[0]
    n_l = degree_y[n_y - 1] + 1
    for j in range(start, stop):
        moment = np.empty(n_c, R.dtype)
        for c in range(n_c):
            gs[j, c] = 0
        for k in range(n_x):
            for c in range(n_c):
                gx[k, j, c] = 0
        for p in range(send_ptr[j], send_ptr[j + 1]):
            e = send_edges[p]
            i = receiver[e]
            k = 0
            for degree in range(n_l):
                for c in range(n_c):
                    moment[c] = 0
                for _ in range(2 * degree + 1):
                    y = Y[e, k]
                    for c in range(n_c):
                        moment[c] += gA[k, i, c] * y
                    k += 1
                for c in range(n_c):
                    gs[j, c] += moment[c] * R[e, degree, c]
            for k in range(n_x):
                row = n_l + degree_x[k]
                for c in range(n_c):
                    gx[k, j, c] += R[e, row, c] * gA[k, i, c]


@_jit
def second_edges(
    start, stop, gA, R, s, x, Y, uR, us, ux, uY, degree_y, degree_x, sender, receive_edges, receive_ptr, dA, dR, dY
):
    """Directional derivative of `forward` (into dA) and of `backward_edges` (into dR, dY) along (uR, us, ux, uY)."""
    n_y, _, n_c = gA.shape
    n_x = x.shape[0]
    n_l = degree_y[n_y - 1] + 1
    for i in range(start, stop):
        t = np.empty(n_c, R.dtype)
        v = np.empty(n_c, R.dtype)
        scaled = np.empty(n_c, R.dtype)
        changed = np.empty(n_c, R.dtype)
        for k in range(n_y):
            for c in range(n_c):
                dA[k, i, c] = 0
        for p in range(receive_ptr[i], receive_ptr[i + 1]):
            e = receive_edges[p]
            j = sender[e]
            k = 0
            for degree in range(n_l):
                for c in range(n_c):
                    t[c] = 0
                for c in range(n_c):
                    v[c] = 0
                for c in range(n_c):
                    scaled[c] = R[e, degree, c] * s[j, c]
                for c in range(n_c):
                    changed[c] = uR[e, degree, c] * s[j, c] + R[e, degree, c] * us[j, c]
                for _ in range(2 * degree + 1):
                    y = Y[e, k]
                    u = uY[e, k]
                    total = R.dtype.type(0)
                    for c in range(n_c):
                        t[c] += gA[k, i, c] * y
                    for c in range(n_c):
                        v[c] += gA[k, i, c] * u
                    for c in range(n_c):
                        total += gA[k, i, c] * changed[c]
                    for c in range(n_c):
                        dA[k, i, c] += changed[c] * y + scaled[c] * u
                    dY[e, k] = total
                    k += 1
                for c in range(n_c):
                    dR[e, degree, c] = us[j, c] * t[c] + s[j, c] * v[c]
            for row in range(n_l, R.shape[1]):
                for c in range(n_c):
                    dR[e, row, c] = 0
            for k in range(n_x):
                row = n_l + degree_x[k]
                for c in range(n_c):
                    dR[e, row, c] += gA[k, i, c] * ux[k, j, c]
                for c in range(n_c):
                    dA[k, i, c] += uR[e, row, c] * x[k, j, c] + R[e, row, c] * ux[k, j, c]


@_jit
def second_atoms(start, stop, gA, R, Y, uR, uY, degree_y, degree_x, receiver, send_edges, send_ptr, ds, dx):
    """Directional derivative of `backward_atoms` along (uR, uY)."""
    n_y, _, n_c = gA.shape
    n_x = dx.shape[0]
    n_l = degree_y[n_y - 1] + 1
    for j in range(start, stop):
        t = np.empty(n_c, R.dtype)
        v = np.empty(n_c, R.dtype)
        for c in range(n_c):
            ds[j, c] = 0
        for k in range(n_x):
            for c in range(n_c):
                dx[k, j, c] = 0
        for p in range(send_ptr[j], send_ptr[j + 1]):
            e = send_edges[p]
            i = receiver[e]
            k = 0
            for degree in range(n_l):
                for c in range(n_c):
                    t[c] = 0
                for c in range(n_c):
                    v[c] = 0
                for _ in range(2 * degree + 1):
                    y = Y[e, k]
                    u = uY[e, k]
                    for c in range(n_c):
                        t[c] += gA[k, i, c] * y
                    for c in range(n_c):
                        v[c] += gA[k, i, c] * u
                    k += 1
                for c in range(n_c):
                    ds[j, c] += uR[e, degree, c] * t[c] + R[e, degree, c] * v[c]
            for k in range(n_x):
                row = n_l + degree_x[k]
                for c in range(n_c):
                    dx[k, j, c] += uR[e, row, c] * gA[k, i, c]
