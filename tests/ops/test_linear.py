"""Linear maps by compiled loops against einsum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equishare.ops.linear import numba as loops


@settings(max_examples=40)
@given(
    rows=st.integers(0, 8),
    n_in=st.integers(1, 10),
    n_out=st.integers(1, 9),
    starts=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    real=st.sampled_from(["float32", "float64"]),
    add=st.booleans(),
)
def test_equals_einsum(rows, n_in, n_out, starts, real, add):
    rng, (start, start_out) = np.random.default_rng(0), starts
    matrix = np.array([0, 1, 1, 0])
    a, w = rng.normal(size=(5, rows + 4, n_in)).astype(real), rng.normal(size=(2, n_in, n_out)).astype(real)
    out = rng.normal(size=(6, rows + 5, n_out)).astype(real)
    expected = out.copy()
    mapped = np.einsum("kni,kio->kno", a[:4, start : start + rows], w[matrix])
    target = expected[:4, start_out : start_out + rows]
    target[:] = target + mapped if add else mapped
    loops.forward(rows, a, start, w, matrix, out, start_out, add)
    assert out == pytest.approx(expected, abs=1e-5 if real == "float32" else 1e-12)
