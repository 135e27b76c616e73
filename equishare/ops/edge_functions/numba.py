"""Compiled loops over edges: radial functions, envelope and harmonics, and their derivatives along the edge's vector.

What an edge needs is a few hundred operations on numbers that fit in registers and the first cache, so it is done in float64 whatever
the type of the results. `forward` keeps the slopes, which training needs; `values` and `gradient` compute what they need where they need it:
for dynamics that is as fast, and slopes are most of the numbers that there are.
"""

import math

import numpy as np

from equishare.ops.jit import inline, jit_no_alias

# edges side by side, for vector instructions; their harmonics and derivatives fit in the first cache
LANES = 32
# of sin(pi u) / u and cos(pi u), |u| <= 1/2, as powers of u^2: to the rounding of float64
_S = tuple((-1) ** k * math.pi ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(11))
_C = tuple((-1) ** k * math.pi ** (2 * k) / math.factorial(2 * k) for k in range(11))


@inline
def _directions(first, count, V, d, inverse):
    """Direction and 1 / length of each vector; lanes that are left hold what they did."""
    for i in range(count):
        v0, v1, v2 = np.float64(V[first + i, 0]), np.float64(V[first + i, 1]), np.float64(V[first + i, 2])
        w = 1 / math.sqrt(v0 * v0 + v1 * v1 + v2 * v2)
        d[0, i], d[1, i], d[2, i], inverse[i] = v0 * w, v1 * w, v2 * w, w


@inline
def _envelope(inverse, cutoff, power, value, slope):
    """The polynomial cutoff and its derivative by the length."""
    p, each = np.float64(power), 1 / cutoff
    for i in range(LANES):
        value[i], slope[i] = min(each / inverse[i], 1.0), 1.0
    for _ in range(power - 1):
        for i in range(LANES):
            slope[i] *= value[i]
    f0, f1, f2 = -(p + 1) * (p + 2) / 2, p * (p + 2), p * (p + 1) / 2
    for i in range(LANES):
        x, before = value[i], slope[i]
        value[i] = 1 + before * x * (f0 + x * (f1 - x * f2))
        slope[i] = -0.5 * p * (p + 1) * (p + 2) * before * (1 - x) * (1 - x) * each


@inline
def _decay(inverse, falloff, value, slope):
    """Multiply the envelope, and its derivative, with the decay."""
    for i in range(LANES):
        r = 1 / inverse[i]
        weight = 4 / (1 + falloff * r * r)
        slope[i] = weight * (slope[i] - value[i] * 0.5 * weight * falloff * r)
        value[i] *= weight


@inline
def _half_turns(inverse, cutoff, sine, cosine):
    """Sine and cosine of pi times the length over the cutoff; beyond the cutoff those at it, where the envelope is zero."""
    for i in range(LANES):
        u = min(1 / (cutoff * inverse[i]), 1.0) - 0.5
        q = u * u
        s = ((((_S[10] * q + _S[9]) * q + _S[8]) * q + _S[7]) * q + _S[6]) * q + _S[5]
        s = ((((s * q + _S[4]) * q + _S[3]) * q + _S[2]) * q + _S[1]) * q + _S[0]
        c = ((((_C[10] * q + _C[9]) * q + _C[8]) * q + _C[7]) * q + _C[6]) * q + _C[5]
        c = ((((c * q + _C[4]) * q + _C[3]) * q + _C[2]) * q + _C[1]) * q + _C[0]
        sine[i], cosine[i] = c, -s * u


@inline
def _harmonics(coupled, coefficient, d, y):
    """Degree after degree."""
    y[:] = 0
    y[0] = 1
    for q in range(coupled.shape[0]):
        k, o, b, w = coupled[q, 0], coupled[q, 1], coupled[q, 2], coefficient[q]
        for i in range(LANES):
            y[k, i] += w * y[o, i] * d[b, i]


@jit_no_alias
def forward(start, stop, V, cutoff, power, falloff, coupled, coefficient, B, dB, f, df, Y, dY, D):
    """Values B, f, Y and derivatives: of B and f by the length, of Y by the vector; D is the direction.

    ``falloff`` is 1 / decay_length^2, negative for no decay. Component ``coupled[q, 0]`` of Y gains ``coefficient[q] * Y[coupled[q, 1]] *
    D[coupled[q, 2]]``, degree after degree.
    """
    n_basis, components = B.shape[1], Y.shape[1]
    scale = math.pi * math.sqrt(8.0) * cutoff**-1.5
    y, j, d = np.empty((components, LANES)), np.empty((components, 3, LANES)), np.zeros((3, LANES))
    inverse, angle, value, slope = np.ones(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    sine, cosine, s, c = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for first in range(start, stop, LANES):
        count = min(LANES, stop - first)
        _directions(first, count, V, d, inverse)
        _envelope(inverse, cutoff, power, value, slope)
        for i in range(count):
            D[first + i, 0], D[first + i, 1], D[first + i, 2] = d[0, i], d[1, i], d[2, i]
            f[first + i], df[first + i] = value[i], slope[i]
        if falloff >= 0:
            _decay(inverse, falloff, value, slope)
        _half_turns(inverse, cutoff, sine, cosine)
        for i in range(LANES):
            angle[i], s[i], c[i] = math.pi / (cutoff * inverse[i]), 0.0, 1.0
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
def values(start, stop, V, cutoff, power, falloff, coupled, coefficient, B, Y):
    """B and Y, as `forward` has them."""
    n_basis, components = B.shape[1], Y.shape[1]
    scale = math.sqrt(8.0 / cutoff)
    y, d = np.empty((components, LANES)), np.zeros((3, LANES))
    inverse, value, slope = np.ones(LANES), np.empty(LANES), np.empty(LANES)
    sine, cosine, s, c = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for first in range(start, stop, LANES):
        count = min(LANES, stop - first)
        _directions(first, count, V, d, inverse)
        _envelope(inverse, cutoff, power, value, slope)
        if falloff >= 0:
            _decay(inverse, falloff, value, slope)
        _half_turns(inverse, cutoff, sine, cosine)
        for i in range(LANES):
            s[i], c[i] = 0.0, 1.0
            value[i] *= scale * inverse[i]
        for n in range(n_basis):
            order = 1 / (n + 1)
            for i in range(LANES):
                s[i], c[i] = s[i] * cosine[i] + c[i] * sine[i], c[i] * cosine[i] - s[i] * sine[i]
            for i in range(count):
                B[first + i, n] = s[i] * value[i] * order
        _harmonics(coupled, coefficient, d, y)
        for i in range(count):
            for k in range(components):
                Y[first + i, k] = y[k, i]


@jit_no_alias
def gradient(start, stop, V, cutoff, power, falloff, coupled, coefficient, gB, gY, out):
    """Add the derivative by the vectors to `out`, from those by B and Y."""
    n_basis, components = gB.shape[1], gY.shape[1]
    scale = math.sqrt(8.0 / cutoff)
    y, g = np.empty((components, LANES)), np.empty((components, LANES))
    d, t = np.zeros((3, LANES)), np.empty((3, LANES))
    inverse, value, slope = np.ones(LANES), np.empty(LANES), np.empty(LANES)
    sine, cosine, s, c = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    wave, turned = np.empty(LANES), np.empty(LANES)
    for first in range(start, stop, LANES):
        count = min(LANES, stop - first)
        _directions(first, count, V, d, inverse)
        _envelope(inverse, cutoff, power, value, slope)
        if falloff >= 0:
            _decay(inverse, falloff, value, slope)
        _half_turns(inverse, cutoff, sine, cosine)
        for i in range(LANES):
            s[i], c[i], wave[i], turned[i] = 0.0, 1.0, 0.0, 0.0
        # of B_n = scale sin(n a) / (n r) value: sums of g sin / n and of g cos, then the rest of the derivative once
        for n in range(n_basis):
            order = 1 / (n + 1)
            for i in range(LANES):
                s[i], c[i] = s[i] * cosine[i] + c[i] * sine[i], c[i] * cosine[i] - s[i] * sine[i]
            for i in range(count):
                wave[i] += gB[first + i, n] * order * s[i]
                turned[i] += gB[first + i, n] * c[i]
        for i in range(LANES):
            w = wave[i] * inverse[i]
            wave[i] = scale * ((math.pi / cutoff * turned[i] - w) * inverse[i] * value[i] + w * slope[i])
        _harmonics(coupled, coefficient, d, y)
        for i in range(count):
            for k in range(components):
                g[k, i] = gY[first + i, k]
        t[:] = 0
        for q in range(coupled.shape[0] - 1, -1, -1):
            k, o, b, w = coupled[q, 0], coupled[q, 1], coupled[q, 2], coefficient[q]
            for i in range(LANES):
                h = w * g[k, i]
                t[b, i] += h * y[o, i]
                g[o, i] += h * d[b, i]
        for i in range(count):
            along = wave[i] - (t[0, i] * d[0, i] + t[1, i] * d[1, i] + t[2, i] * d[2, i]) * inverse[i]
            for m in range(3):
                out[first + i, m] += along * d[m, i] + t[m, i] * inverse[i]


@jit_no_alias
def envelope(start, stop, V, cutoff, power, f):
    """The polynomial cutoff."""
    d, inverse, value, slope = np.zeros((3, LANES)), np.ones(LANES), np.empty(LANES), np.empty(LANES)
    for first in range(start, stop, LANES):
        count = min(LANES, stop - first)
        _directions(first, count, V, d, inverse)
        _envelope(inverse, cutoff, power, value, slope)
        for i in range(count):
            f[first + i] = value[i]


@jit_no_alias
def envelope_gradient(start, stop, V, cutoff, power, gf, out):
    """Add the derivative by the vectors to `out`, from that by the cutoff."""
    d, inverse, value, slope = np.zeros((3, LANES)), np.ones(LANES), np.empty(LANES), np.empty(LANES)
    for first in range(start, stop, LANES):
        count = min(LANES, stop - first)
        _directions(first, count, V, d, inverse)
        _envelope(inverse, cutoff, power, value, slope)
        for i in range(count):
            for m in range(3):
                out[first + i, m] += gf[first + i] * slope[i] * d[m, i]
