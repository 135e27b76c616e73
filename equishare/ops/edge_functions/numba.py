"""Compiled loop over edges: radial functions, envelope and harmonics, each with its derivative along the edge's vector.

What an edge needs is a few hundred operations on numbers that fit in registers and the first cache, so it is done in float64 whatever
the type of the results.
"""

import math

import numpy as np

from equishare.ops.jit import jit_no_alias

# edges side by side, for vector instructions; their harmonics and derivatives fit in the first cache
LANES = 32


@jit_no_alias
def forward(start, stop, V, cutoff, power, falloff, coupled, coefficient, B, dB, f, df, Y, dY, D):
    """Values B, f, Y and derivatives: of B and f by the length, of Y by the vector; D is the direction.

    ``falloff`` is 1 / decay_length^2, negative for no decay. Component ``coupled[q, 0]`` of Y gains ``coefficient[q] * Y[coupled[q, 1]] *
    D[coupled[q, 2]]``, degree after degree.
    """
    n_basis, components = B.shape[1], Y.shape[1]
    scale = math.pi * math.sqrt(8.0) * cutoff**-1.5
    y, j, d = np.empty((components, LANES)), np.empty((components, 3, LANES)), np.empty((3, LANES))
    inverse, angle, value, slope = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    sine, cosine, s, c = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for first in range(start, stop, LANES):
        count = min(LANES, stop - first)
        for i in range(count):
            e = first + i
            v0, v1, v2 = np.float64(V[e, 0]), np.float64(V[e, 1]), np.float64(V[e, 2])
            r = math.sqrt(v0 * v0 + v1 * v1 + v2 * v2)
            inverse[i] = 1 / r
            d[0, i], d[1, i], d[2, i] = v0 * inverse[i], v1 * inverse[i], v2 * inverse[i]
            D[e, 0], D[e, 1], D[e, 2] = d[0, i], d[1, i], d[2, i]
            x = r / cutoff
            # the polynomial cutoff and its derivative
            value[i] = slope[i] = 0.0
            if x < 1:
                p, before = power, x ** (power - 1)
                value[i] = 1 + before * x * (-(p + 1) * (p + 2) / 2 + x * (p * (p + 2) - x * (p * (p + 1) / 2)))
                slope[i] = -0.5 * p * (p + 1) * (p + 2) * before * (1 - x) ** 2 / cutoff
            f[e], df[e] = value[i], slope[i]
            if falloff >= 0:
                weight = 4 / (1 + falloff * r * r)
                slope[i] = weight * (slope[i] - value[i] * 0.5 * weight * falloff * r)
                value[i] *= weight
            angle[i], s[i], c[i] = math.pi * x, 0.0, 1.0
            sine[i], cosine[i] = math.sin(angle[i]), math.cos(angle[i])
        # sin and cos of n pi x by rotation
        for n in range(n_basis):
            for i in range(count):
                s[i], c[i] = s[i] * cosine[i] + c[i] * sine[i], c[i] * cosine[i] - s[i] * sine[i]
                a = (n + 1) * angle[i]
                wave = s[i] / a if a > 1e-3 else 1 - a * a / 6
                change = (c[i] - wave if a > 1e-3 else -a * a / 3) * inverse[i]
                B[first + i, n] = scale * wave * value[i]
                dB[first + i, n] = scale * (change * value[i] + wave * slope[i])
        y[:], j[:] = 0, 0
        y[0] = 1
        for q in range(coupled.shape[0]):
            k, o, b, w = coupled[q, 0], coupled[q, 1], coupled[q, 2], coefficient[q]
            for i in range(count):
                y[k, i] += w * y[o, i] * d[b, i]
                j[k, b, i] += w * y[o, i]
            for m in range(3):
                for i in range(count):
                    j[k, m, i] += w * j[o, m, i] * d[b, i]
        for k in range(components):
            for i in range(count):
                along = (j[k, 0, i] * d[0, i] + j[k, 1, i] * d[1, i] + j[k, 2, i] * d[2, i]) * inverse[i]
                j[k, 0, i] = j[k, 0, i] * inverse[i] - along * d[0, i]
                j[k, 1, i] = j[k, 1, i] * inverse[i] - along * d[1, i]
                j[k, 2, i] = j[k, 2, i] * inverse[i] - along * d[2, i]
        for i in range(count):
            for k in range(components):
                Y[first + i, k] = y[k, i]
                for m in range(3):
                    dY[first + i, k, m] = j[k, m, i]


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
