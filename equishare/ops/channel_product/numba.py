"""Compiled loops of the channel-wise product: value, derivative, and derivative of the derivative.

Arrays are component-major, ``a[(l, m), atom, channel]``. A coupling table lists its entries grouped by terms; term t is one
output component of one path, ``q_t[c] = sum_e coefficient_e a[left_e, c] b[right_e, c]``, and the product is
``out[component_t] = sum_t w[kind, path_t] q_t``. Every loop runs over a range of atoms. Derivatives of the
weights are summed in one buffer a range, then over ranges in order: the result does not depend on which thread is first.
No array that is written to may overlap another one.
"""

import numpy as np

from equishare.ops.jit import jit_no_alias


@jit_no_alias
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


@jit_no_alias
def backward(start, stop, g, a, b, w, kind, table, ga, gb, gw):
    """Derivatives; ga and gb are added to, gw is this range's own; an empty gw is left out."""
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
                q[c] = 0
            for e in range(term_ptr[t], term_ptr[t + 1]):
                i, j, f = left[e], right[e], coefficient[e]
                if fitted:
                    for c in range(n_c):
                        x, y = a[i, n, c], b[j, n, c]
                        ga[i, n, c] += f * h[c] * y
                        gb[j, n, c] += f * h[c] * x
                        q[c] += f * x * y
                else:
                    for c in range(n_c):
                        ga[i, n, c] += f * h[c] * b[j, n, c]
                        gb[j, n, c] += f * h[c] * a[i, n, c]
            if fitted:
                for c in range(n_c):
                    gw[z, p, c] += g[k, n, c] * q[c]


@jit_no_alias
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
                r[c] = 0
                h[c] = g[k, n, c] * w[z, p, c]
                v[c] = g[k, n, c] * uw[z, p, c]
            for e in range(term_ptr[t], term_ptr[t + 1]):
                i, j, f = left[e], right[e], coefficient[e]
                for c in range(n_c):
                    x, y, ux, uy = a[i, n, c], b[j, n, c], ua[i, n, c], ub[j, n, c]
                    q[c] += f * x * y
                    r[c] += f * (ux * y + x * uy)
                    da[i, n, c] += f * (v[c] * y + h[c] * uy)
                    db[j, n, c] += f * (v[c] * x + h[c] * ux)
            for c in range(n_c):
                dg[k, n, c] += uw[z, p, c] * q[c] + w[z, p, c] * r[c]
                dw[z, p, c] += g[k, n, c] * r[c]
