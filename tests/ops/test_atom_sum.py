"""Sums over the edges of each atom, against NumPy's own."""

import numpy as np
import pytest

from equishare.ops.atom_sum import numba as loops


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [1, 3, 9])
def test_equals_add_at(columns, dtype):
    rng = np.random.default_rng(columns)
    atoms, rows = rng.integers(0, 5, 40), rng.normal(size=(40, columns)).astype(dtype)
    out, expected = np.zeros((6, columns)), np.zeros((6, columns))
    loops.forward(atoms, rows, out)
    np.add.at(expected, atoms, rows.astype(np.float64))
    assert out == pytest.approx(expected, abs=1e-12)
    assert not out[5].any()


def test_no_edges():
    out = np.zeros((2, 3))
    loops.forward(np.zeros(0, np.int64), np.zeros((0, 3)), out)
    assert not out.any()
