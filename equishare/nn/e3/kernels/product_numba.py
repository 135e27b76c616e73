"""Compiled loops of the channel-wise product: value, derivative, and derivative of the derivative.

Arrays are component-major, ``a[(l, m), atom, channel]``. A coupling table lists its entries grouped by terms; term t is one
output component of one path, ``q_t[c] = sum_e coefficient_e a[left_e, c] b[right_e, c]``, and the product is
``out[component_t] = sum_t w[kind, path_t] q_t``. Every loop runs over a range of atoms. Derivatives of the
weights are summed in one buffer a range, then over ranges in order: the result does not depend on which thread is first.
"""

import numba
import numpy as np

_jit = numba.njit(cache=True, fastmath=True, nogil=True, error_model="numpy")


@_jit
def forward(start, stop, a, b, w, kind, table, out):
    """out[k] = sum over terms t with component k of w[path_t] q_t."""
    n_k, _, n_c = out.shape
    term_ptr, term_path, term_component, left, right, coefficient = table
    n_terms = term_path.shape[0]
    for n in range(start, stop):
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
def backward(start, stop, g, a, b, w, kind, table, ga, gb, gw):
    """Derivatives; ga and gb are added to (and may be one array), gw is this range's own; an empty gw is left out."""
    fitted = gw.size > 0
    n_c = a.shape[2]
    term_ptr, term_path, term_component, left, right, coefficient = table
    n_terms = term_path.shape[0]
    q = np.empty(n_c, a.dtype)
    h = np.empty(n_c, a.dtype)
    for n in range(start, stop):
        z = kind[n]
        for t in range(n_terms):
            k, p = term_component[t], term_path[t]
            for c in range(n_c):
                h[c] = g[k, n, c] * w[z, p, c]
            for e in range(term_ptr[t], term_ptr[t + 1]):
                i, j, f = left[e], right[e], coefficient[e]
                for c in range(n_c):
                    ga[i, n, c] += f * h[c] * b[j, n, c]
                for c in range(n_c):
                    gb[j, n, c] += f * h[c] * a[i, n, c]
            if not fitted:
                continue
            for c in range(n_c):
                q[c] = 0
            for e in range(term_ptr[t], term_ptr[t + 1]):
                i, j, f = left[e], right[e], coefficient[e]
                for c in range(n_c):
                    q[c] += f * a[i, n, c] * b[j, n, c]
            for c in range(n_c):
                gw[z, p, c] += g[k, n, c] * q[c]


@_jit
def second(start, stop, g, a, b, w, ua, ub, uw, kind, table, dg, da, db, dw):
    """Directional derivative of `forward` (added to dg) and of `backward` (da, db, dw) along (ua, ub, uw)."""
    n_c = a.shape[2]
    term_ptr, term_path, term_component, left, right, coefficient = table
    n_terms = term_path.shape[0]
    q = np.empty(n_c, a.dtype)
    r = np.empty(n_c, a.dtype)
    h = np.empty(n_c, a.dtype)
    v = np.empty(n_c, a.dtype)
    for n in range(start, stop):
        z = kind[n]
        for t in range(n_terms):
            k, p = term_component[t], term_path[t]
            for c in range(n_c):
                q[c] = 0
            for c in range(n_c):
                r[c] = 0
            for c in range(n_c):
                h[c] = g[k, n, c] * w[z, p, c]
            for c in range(n_c):
                v[c] = g[k, n, c] * uw[z, p, c]
            for e in range(term_ptr[t], term_ptr[t + 1]):
                i, j, f = left[e], right[e], coefficient[e]
                for c in range(n_c):
                    q[c] += f * a[i, n, c] * b[j, n, c]
                for c in range(n_c):
                    r[c] += f * (ua[i, n, c] * b[j, n, c] + a[i, n, c] * ub[j, n, c])
                for c in range(n_c):
                    da[i, n, c] += f * (v[c] * b[j, n, c] + h[c] * ub[j, n, c])
                for c in range(n_c):
                    db[j, n, c] += f * (v[c] * a[i, n, c] + h[c] * ua[i, n, c])
            for c in range(n_c):
                dg[k, n, c] += uw[z, p, c] * q[c] + w[z, p, c] * r[c]
            for c in range(n_c):
                dw[z, p, c] += g[k, n, c] * r[c]
