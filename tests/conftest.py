"""Shared test set-up: reproducible seeds and random group elements."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def orthogonal():
    """Draw from O(3), uniformly on the rotations and on the improper ones: ``orthogonal(improper=True)``."""

    def draw(improper: bool) -> torch.Tensor:
        matrix, upper = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))
        matrix = matrix * upper.diagonal().sign()
        return matrix * (torch.linalg.det(matrix).sign() * (-1 if improper else 1))

    return draw
