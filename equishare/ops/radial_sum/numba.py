"""Compiled loops of the edge sum with its radial weights, ``R[e] = B[e] w``, computed for a few atoms' edges after the others.

They are the largest array by far: those of a few edges stay in the second cache. Edges are sorted by receiver.
"""

import numpy as np

from equishare.ops.edge_sum import numba as edge_sum
from equishare.ops.jit import inline, jit_no_alias
from equishare.ops.linear import numba as linear

# edges at a time, where one atom has not more
EDGES = 64


@inline
def _last(i, stop, ptr):
    """The atom behind those from i on that are taken together."""
    j = i + 1
    while j < stop and ptr[j + 1] - ptr[i] <= EDGES:
        j += 1
    return j


@inline
def _most(start, stop, ptr):
    """Edges that are taken together, at most."""
    most = EDGES
    for i in range(start, stop):
        most = max(most, ptr[i + 1] - ptr[i])
    return most


@inline
def _radial(a, b, given, w, matrix, local, flat):
    """Radial weights of the edges from a to b, which are counted from 0."""
    for p in range(a, b):
        local[p] = p - a
    linear.forward(b - a, given, a, w, matrix, flat, 0, False)


@jit_no_alias
def forward(start, stop, B, w, matrix, s, x, Y, sweeps, sender, ptr, A):
    """As `edge_sum.forward`; w is ``[1, basis, degrees * channels]``."""
    channels, most = s.shape[1], _most(start, stop, ptr)
    flat, local = np.empty((1, most, w.shape[2]), B.dtype), np.empty(ptr[stop], np.int64)
    given, R = B.reshape(1, B.shape[0], B.shape[1]), flat.reshape(most, w.shape[2] // channels, channels)
    i = start
    while i < stop:
        j = _last(i, stop, ptr)
        a, b = ptr[i], ptr[j]
        _radial(a, b, given, w, matrix, local, flat)
        edge_sum.forward(i, j, R, s, x, Y[a:b], sweeps, sender[a:b], local, ptr, A)
        i = j


@jit_no_alias
def backward(start, stop, g, B, w, back, matrix, s, x, Y, sweeps, sender, ptr, gB, gY, gs, gx):
    """Derivatives, as `edge_sum.backward`; gB is written, and `back` is the transpose of w."""
    channels, most = s.shape[1], _most(start, stop, ptr)
    flat, of_flat = np.empty((1, most, w.shape[2]), B.dtype), np.empty((1, most, w.shape[2]), B.dtype)
    degrees = w.shape[2] // channels
    R, gR = flat.reshape(most, degrees, channels), of_flat.reshape(most, degrees, channels)
    given, of_given = B.reshape(1, B.shape[0], B.shape[1]), gB.reshape(1, B.shape[0], B.shape[1])
    local = np.empty(ptr[stop], np.int64)
    i = start
    while i < stop:
        j = _last(i, stop, ptr)
        a, b = ptr[i], ptr[j]
        _radial(a, b, given, w, matrix, local, flat)
        edge_sum.backward(i, j, g, R, s, x, Y[a:b], sweeps, sender[a:b], local, ptr, gR, gY[a:b], gs, gx)
        linear.forward(b - a, of_flat, 0, back, matrix, of_given, a, False)
        i = j
