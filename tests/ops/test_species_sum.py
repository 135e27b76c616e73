"""Sums over neighbours kind by kind, against einsum and finite differences."""

import numpy as np
import pytest

from equishare.ops.species_sum import numba as loops


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    starts = np.array([0, 3, 3, 7])
    kind = rng.integers(0, 2, 7)
    return rng, starts, kind * 4, rng.normal(size=(7, 4)), rng.normal(size=(7, 9))


def sums(starts, slot, basis, harmonics):
    out = np.zeros((9, 3, 8))
    loops.forward(0, 3, basis, harmonics, slot, starts, out)
    return out


def test_equals_einsum(case):
    _, starts, slot, basis, harmonics = case
    expected = np.zeros((9, 3, 8))
    for atom in range(3):
        for edge in range(starts[atom], starts[atom + 1]):
            expected[:, atom, slot[edge] : slot[edge] + 4] += np.multiply.outer(harmonics[edge], basis[edge])
    assert sums(starts, slot, basis, harmonics) == pytest.approx(expected)


def test_derivatives_are_added_and_those_of_the_value(case):
    rng, starts, slot, basis, harmonics = case
    grad, moves = rng.normal(size=(9, 3, 8)), (rng.normal(size=basis.shape), rng.normal(size=harmonics.shape))
    found = np.ones_like(basis), np.ones_like(harmonics)
    loops.backward(0, 3, grad, basis, harmonics, slot, starts, *found)
    along = sum(((slope - 1) * move).sum() for slope, move in zip(found, moves, strict=True))
    ahead, behind = (sums(starts, slot, basis + h * moves[0], harmonics + h * moves[1]) for h in (1e-6, -1e-6))
    assert along == pytest.approx(((ahead - behind) * grad).sum() / 2e-6, rel=1e-7)
