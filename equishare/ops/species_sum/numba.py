"""Compiled loops of the edge sum where an atom's features depend on its kind alone: radial functions times harmonics, summed kind by kind.

``T[(l, m), atom, kind * n_basis + n]``; loops run over a range of receivers, and edges are sorted by receiver.
"""

from equishare.ops.jit import jit_no_alias


@jit_no_alias
def forward(start, stop, B, Y, slot, ptr, T):
    """T[lm, i, slot[e] + n] += B[e, n] Y[e, lm] for each edge e of i."""
    for i in range(start, stop):
        for e in range(ptr[i], ptr[i + 1]):
            for k in range(Y.shape[1]):
                y = Y[e, k]
                for n in range(B.shape[1]):
                    T[k, i, slot[e] + n] += B[e, n] * y


@jit_no_alias
def backward(start, stop, g, B, Y, slot, ptr, gB, gY):
    """Derivatives by B and Y, added to gB and gY."""
    for i in range(start, stop):
        for e in range(ptr[i], ptr[i + 1]):
            for k in range(Y.shape[1]):
                y, s = Y[e, k], B.dtype.type(0)
                for n in range(B.shape[1]):
                    gB[e, n] += g[k, i, slot[e] + n] * y
                    s += g[k, i, slot[e] + n] * B[e, n]
                gY[e, k] += s
