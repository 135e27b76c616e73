"""The compiled tensor product with harmonics against its plain torch twin."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import assert_as_close_as_the_twin, assert_equal, derivatives_of, drawing

from equishare._e3nn import o3
from equishare.nn import Edges, Layout, backend
from equishare.ops.tensor_product.operation import tensor_product
from equishare.ops.tensor_product.paths import TensorProductPaths

# (features, harmonics, output): the degrees that take one, three and more rows at a time, and unusual parities
CASES = {
    "low": ("0e+1o", "0e+1o+2e+3o", "0e+1o+2e+3o"),
    "high": ("3o+2e+0e", "1o+3o+0e", "4e+3o+2e+0e+1e"),
    "parities": ("1e+0o", "1o+2e", "0o+1o+2o+1e"),
}


def paths(name, channels):
    left, right, out = CASES[name]
    left = Layout.of("+".join(f"{channels}x{ir}" for ir in left.split("+")))
    return TensorProductPaths.of(left, Layout.of(right), [o3.Irrep(ir) for ir in out.split("+")])


def draw(table, n_atoms, n_edges, dtype=torch.float64, seed=0):
    normal, generator = drawing(dtype, seed)
    edges = Edges(torch.randint(n_atoms, (2, n_edges), generator=generator), n_atoms)
    channels = table.left.channels
    return (
        normal(n_atoms, table.left.dim, channels),
        normal(n_edges, table.right.dim),
        normal(n_edges, len(table), channels),
        edges,
    )


def derivatives(name, x, y, w, edges, table):
    return derivatives_of(lambda: tensor_product(x, y, w, edges, table), [x, y, w], name)


@settings(max_examples=20)
@given(st.sampled_from(sorted(CASES)), st.integers(1, 6), st.integers(0, 12), st.integers(1, 9), st.integers(0, 1000))
def test_equals_the_torch_twin_in_float64(name, n_atoms, n_edges, channels, seed):
    table = paths(name, channels)
    arguments = draw(table, n_atoms, n_edges, seed=seed)
    assert_equal(*(derivatives(b, *arguments, table) for b in ("numba", "torch")))


@pytest.mark.parametrize("name", CASES)
def test_float32_is_as_close_as_its_twin(name):
    table = paths(name, 8)
    exact = derivatives("torch", *draw(table, 7, 23), table)
    arguments = draw(table, 7, 23, dtype=torch.float32)
    assert_as_close_as_the_twin(*(derivatives(b, *arguments, table) for b in ("numba", "torch")), exact)


@pytest.mark.parametrize("name", CASES)
def test_gradcheck(name):
    table = paths(name, 2)
    *inputs, edges = draw(table, 3, 4)
    with backend("numba"):
        assert torch.autograd.gradcheck(lambda *a: tensor_product(*a, edges, table), inputs)
        assert torch.autograd.gradgradcheck(lambda *a: tensor_product(*a, edges, table), inputs)


def test_threads_give_the_same_numbers(monkeypatch):
    """Ranges of receivers share senders: each adds the senders' derivatives to a buffer of its own."""
    from equishare.ops.tensor_product import operation as module

    table = paths("low", 8)
    arguments = draw(table, 20, 100)
    alone = derivatives("numba", *arguments, table)
    monkeypatch.setattr(module, "atom_ranges", lambda n, work, starts: [(0, 3), (3, 11), (11, n)])
    for one, three in zip(alone, derivatives("numba", *arguments, table), strict=True):
        assert (one - three).norm() <= 1e-13 * one.norm()


def test_arrays_that_are_not_contiguous():
    table = paths("low", 8)
    x, y, w, edges = draw(table, 5, 9)
    strided = x.detach().transpose(0, 1).contiguous().transpose(0, 1), y.detach().T.contiguous().T, w.detach()
    with backend("numba"):
        assert torch.equal(tensor_product(*strided, edges, table), tensor_product(x, y, w, edges, table))
