"""Ranges of atoms, and the loops run on several of them."""

from itertools import pairwise
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equishare.nn import ChannelProduct, DensityConv, backend
from equishare.ops import threads


@given(st.integers(1, 50), st.integers(0, 10**9), st.lists(st.integers(0, 20), min_size=50, max_size=50))
def test_ranges_cover_every_atom_once(n_atoms, work, degrees):
    starts = np.concatenate([[0], np.cumsum(degrees[:n_atoms])])
    for order in (None, starts):
        with mock.patch.object(torch, "get_num_threads", return_value=4):
            found = threads.atom_ranges(n_atoms, work, order)
        assert found[0][0] == 0
        assert found[-1][1] == n_atoms
        assert all(stop == start for (_, stop), (start, _) in pairwise(found))


def test_ranges_share_the_work():
    with mock.patch.object(torch, "get_num_threads", return_value=2):
        assert threads.atom_ranges(10, 10**9) == [(0, 5), (5, 10)]
        assert threads.atom_ranges(4, 10**9, np.array([0, 60, 80, 90, 100])) == [(0, 1), (1, 4)]
        assert threads.atom_ranges(10, 10) == [(0, 10)]


def test_a_failing_range_is_not_lost():
    def loop(start, stop):
        if start:
            raise RuntimeError("range failed")

    with pytest.raises(RuntimeError, match="range failed"):
        threads.run_ranges(loop, [(0, 1), (1, 2), (2, 3)])


def test_several_ranges_give_the_numbers_of_one(monkeypatch):
    conv = DensityConv("4x0e + 4x1o", 2, 3).double()
    square = ChannelProduct("4x0e + 4x1o + 4x2e", None, "4x0e + 4x1o").double()
    index = torch.randint(0, 9, (2, 40))
    x, basis, harmonics = torch.randn(9, 4, 4), torch.rand(40, 3), torch.randn(40, 9)
    inputs = [t.double().requires_grad_() for t in (x, basis, harmonics)]

    def gradients():
        with backend("numba"):
            out = square(conv(*inputs, index))
            first = torch.autograd.grad(out.cos().sum(), inputs, create_graph=True)
            loss = sum(g.square().sum() for g in first)
            return [out, *first, *torch.autograd.grad(loss, [*inputs, *conv.parameters(), *square.parameters()])]

    alone = gradients()
    three = lambda n_atoms, work, starts=None: [(0, 2), (2, 3), (3, n_atoms)]  # noqa: E731
    monkeypatch.setattr("equishare.ops.edge_sum.operation.atom_ranges", three)
    monkeypatch.setattr("equishare.ops.channel_product.operation.atom_ranges", three)
    for expected, found in zip(alone, gradients(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
