"""Shared test set-up: reproducible seeds and shape checks of jaxtyping signatures."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
