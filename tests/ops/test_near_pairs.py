"""The near ones of some pairs, against NumPy."""

import numpy as np
import pytest

from equishare.ops.near_pairs import numba as loops


@pytest.mark.parametrize("crosses", [True, False])
@pytest.mark.parametrize("cutoff", [0.0, 3.0, 100.0])
def test_equals_numpy(cutoff, crosses):
    rng = np.random.default_rng(0)
    positions, cell = rng.normal(scale=2.0, size=(8, 3)), rng.normal(size=(3, 3)) + 5 * np.eye(3)
    sender, receiver = rng.integers(0, 8, (2, 50))
    shift = rng.integers(-1, 2, (50, 3)).astype(np.float64)
    expected = positions[sender] - positions[receiver] + (shift @ cell if crosses else 0)
    near = np.flatnonzero(np.linalg.norm(expected, axis=1) < cutoff)
    found, vectors, count = np.empty(50, np.int64), np.empty((50, 3)), np.empty(1, np.int64)
    given = positions, cell, sender, receiver, shift if crosses else shift[:0]
    loops.forward(*given, cutoff**2, found, vectors, count)
    assert found[: count[0]].tolist() == near.tolist()
    assert vectors[: count[0]] == pytest.approx(expected[near], abs=1e-12)
