"""Compiled loop over edges: radial functions, envelope and harmonics, each with its derivative along the edge's vector.

What an edge needs is a few hundred operations on numbers that fit in registers and the first cache, so it is done in float64 whatever
the type of the results.
"""

import math

import numpy as np

from equishare.ops.jit import jit_no_alias


@jit_no_alias
def forward(start, stop, V, cutoff, power, falloff, coupled, coefficient, B, dB, f, df, Y, dY, D):
    """Values B, f, Y and derivatives: of B and f by the length, of Y by the vector; D is the direction.

    ``falloff`` is 1 / decay_length^2, negative for no decay. Component ``coupled[q, 0]`` of Y gains ``coefficient[q] * Y[coupled[q, 1]] *
    D[coupled[q, 2]]``, degree after degree.
    """
    n_basis, components = B.shape[1], Y.shape[1]
    scale = math.pi * math.sqrt(8.0) * cutoff**-1.5
    y, j = np.empty(components), np.empty((components, 3))
    for e in range(start, stop):
        v0, v1, v2 = np.float64(V[e, 0]), np.float64(V[e, 1]), np.float64(V[e, 2])
        r = math.sqrt(v0 * v0 + v1 * v1 + v2 * v2)
        inverse = 1 / r
        d = (v0 * inverse, v1 * inverse, v2 * inverse)
        D[e, 0], D[e, 1], D[e, 2] = d
        x = r / cutoff
        # the polynomial cutoff and its derivative
        value = slope = 0.0
        if x < 1:
            p, before = power, x ** (power - 1)
            value = 1 + before * x * (-(p + 1) * (p + 2) / 2 + x * (p * (p + 2) - x * (p * (p + 1) / 2)))
            slope = -0.5 * p * (p + 1) * (p + 2) * before * (1 - x) ** 2 / cutoff
        f[e], df[e] = value, slope
        if falloff >= 0:
            weight = 4 / (1 + falloff * r * r)
            slope = weight * (slope - value * 0.5 * weight * falloff * r)
            value *= weight
        # sin and cos of n pi x by rotation
        sine, cosine = math.sin(math.pi * x), math.cos(math.pi * x)
        s, c = 0.0, 1.0
        for n in range(n_basis):
            s, c = s * cosine + c * sine, c * cosine - s * sine
            angle = (n + 1) * math.pi * x
            wave = s / angle if angle > 1e-3 else 1 - angle * angle / 6
            change = (c - wave) * inverse if angle > 1e-3 else -angle * angle / 3 * inverse
            B[e, n] = scale * wave * value
            dB[e, n] = scale * (change * value + wave * slope)
        for k in range(components):
            y[k] = j[k, 0] = j[k, 1] = j[k, 2] = 0
        y[0] = 1
        for q in range(coupled.shape[0]):
            k, a, b, w = coupled[q, 0], coupled[q, 1], coupled[q, 2], coefficient[q]
            y[k] += w * y[a] * d[b]
            for m in range(3):
                j[k, m] += w * j[a, m] * d[b]
            j[k, b] += w * y[a]
        for k in range(components):
            Y[e, k] = y[k]
            along = j[k, 0] * d[0] + j[k, 1] * d[1] + j[k, 2] * d[2]
            for m in range(3):
                dY[e, k, m] = (j[k, m] - along * d[m]) * inverse


@jit_no_alias
def backward(start, stop, gB, gf, gY, dB, df, dY, D, out):
    """Derivative by the vectors, from those by the values and the slopes that `forward` found."""
    for e in range(start, stop):
        along = gf[e] * df[e]
        for n in range(gB.shape[1]):
            along += gB[e, n] * dB[e, n]
        for m in range(3):
            turned = gf.dtype.type(0)
            for k in range(gY.shape[1]):
                turned += gY[e, k] * dY[e, k, m]
            out[e, m] = along * D[e, m] + turned
