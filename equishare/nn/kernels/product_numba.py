"""Compiled loops of the channel-wise product: value, derivative, and derivative of the derivative.

Arrays are component-major, ``a[(l, m), atom, channel]``. A coupling table lists its entries grouped by terms; term t is one
output component of one path, ``q_t[c] = sum_e coefficient_e a[left_e, c] b[right_e, c]``, and the product is
``out[component_t] = sum_t w[kind, path_t] q_t``. Derivatives of the weights are summed in one buffer a chunk of atoms,
then over chunks in order: the result does not depend on the order in which threads finish.
"""

import numba
import numpy as np

_jit = numba.njit(cache=True, fastmath=True, parallel=True, nogil=True, error_model="numpy")


@_jit
def forward(a, b, w, kind, term_ptr, term_path, term_component, left, right, coefficient, out):
    """out[k] = sum over terms t with component k of w[path_t] q_t."""
    n_k, n_atoms, n_c = out.shape
    n_terms = term_path.shape[0]
    for n in numba.prange(n_atoms):
        q = np.empty(n_c, a.dtype)
        z = kind[n]
        for k in range(n_k):
            for c in range(n_c):
                out[k, n, c] = 0
        for t in range(n_terms):
            for c in range(n_c):
                q[c] = 0
            for e in range(term_ptr[t], term_ptr[t + 1]):
                i, j, f = left[e], right[e], coefficient[e]
                for c in range(n_c):
                    q[c] += f * a[i, n, c] * b[j, n, c]
            k, p = term_component[t], term_path[t]
            for c in range(n_c):
                out[k, n, c] += w[z, p, c] * q[c]


@_jit
def backward(g, a, b, w, kind, term_ptr, term_path, term_component, left, right, coefficient, ga, gb, gw):
    """Derivatives; ga and gb are added to (and may be one array), gw has one leading slot a chunk of atoms."""
    n_atoms, n_c = a.shape[1:]
    n_terms = term_path.shape[0]
    n_chunks = gw.shape[0]
    for chunk in numba.prange(n_chunks):
        q = np.empty(n_c, a.dtype)
        h = np.empty(n_c, a.dtype)
        for n in range(chunk * n_atoms // n_chunks, (chunk + 1) * n_atoms // n_chunks):
            z = kind[n]
            for t in range(n_terms):
                k, p = term_component[t], term_path[t]
                for c in range(n_c):
                    q[c] = 0
                    h[c] = g[k, n, c] * w[z, p, c]
                for e in range(term_ptr[t], term_ptr[t + 1]):
                    i, j, f = left[e], right[e], coefficient[e]
                    for c in range(n_c):
                        q[c] += f * a[i, n, c] * b[j, n, c]
                    for c in range(n_c):
                        ga[i, n, c] += f * h[c] * b[j, n, c]
                    for c in range(n_c):
                        gb[j, n, c] += f * h[c] * a[i, n, c]
                for c in range(n_c):
                    gw[chunk, z, p, c] += g[k, n, c] * q[c]


@_jit
def second(
    g,
    a,
    b,
    w,
    ua,
    ub,
    uw,
    kind,
    term_ptr,
    term_path,
    term_component,
    left,
    right,
    coefficient,
    dg,
    da,
    db,
    dw,
):
    """Directional derivative of `forward` (added to dg) and of `backward` (da, db, dw) along (ua, ub, uw)."""
    n_atoms, n_c = a.shape[1:]
    n_terms = term_path.shape[0]
    n_chunks = dw.shape[0]
    for chunk in numba.prange(n_chunks):
        q = np.empty(n_c, a.dtype)
        r = np.empty(n_c, a.dtype)
        h = np.empty(n_c, a.dtype)
        v = np.empty(n_c, a.dtype)
        for n in range(chunk * n_atoms // n_chunks, (chunk + 1) * n_atoms // n_chunks):
            z = kind[n]
            for t in range(n_terms):
                k, p = term_component[t], term_path[t]
                for c in range(n_c):
                    q[c] = 0
                    r[c] = 0
                    h[c] = g[k, n, c] * w[z, p, c]
                    v[c] = g[k, n, c] * uw[z, p, c]
                for e in range(term_ptr[t], term_ptr[t + 1]):
                    i, j, f = left[e], right[e], coefficient[e]
                    for c in range(n_c):
                        q[c] += f * a[i, n, c] * b[j, n, c]
                        r[c] += f * (ua[i, n, c] * b[j, n, c] + a[i, n, c] * ub[j, n, c])
                    for c in range(n_c):
                        da[i, n, c] += f * (v[c] * b[j, n, c] + h[c] * ub[j, n, c])
                    for c in range(n_c):
                        db[j, n, c] += f * (v[c] * a[i, n, c] + h[c] * ua[i, n, c])
                for c in range(n_c):
                    dg[k, n, c] += uw[z, p, c] * q[c] + w[z, p, c] * r[c]
                    dw[chunk, z, p, c] += g[k, n, c] * r[c]
