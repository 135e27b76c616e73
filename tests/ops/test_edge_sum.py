"""The compiled edge sum against its plain torch twin."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import assert_as_close_as_the_twin, assert_equal, derivatives_of, drawing

from equishare.nn import Edges, backend
from equishare.ops.components import degree_count
from equishare.ops.edge_sum.operation import edge_sum


def draw(n_atoms, n_edges, l_max, k_max, channels, dtype=torch.float64, seed=0):
    """radial, scalars, features, harmonics and unsorted edges; k_max = 0 for no features."""
    normal, generator = drawing(dtype, seed)
    index = torch.randint(n_atoms, (2, n_edges), generator=generator)
    tensors = (
        normal(n_edges, l_max + 1, channels),
        normal(n_atoms, channels),
        normal((k_max + 1) ** 2 - 1, n_atoms, channels),
        normal(n_edges, (l_max + 1) ** 2),
    )
    return tensors, Edges(index, n_atoms)


def derivatives(name, tensors, edges):
    return derivatives_of(lambda: edge_sum(*tensors, edges), [t for t in tensors if t.numel()], name)


sizes = st.tuples(st.integers(1, 9), st.integers(0, 40), st.integers(0, 4), st.integers(0, 2), st.integers(1, 9))


@settings(max_examples=25)
@given(sizes.filter(lambda s: s[3] <= s[2]), st.integers(0, 1000))
def test_equals_the_torch_twin_in_float64(size, seed):
    tensors, edges = draw(*size, seed=seed)
    assert_equal(*(derivatives(name, tensors, edges) for name in ("numba", "torch")))


@pytest.mark.parametrize("size", [(15, 120, 3, 2, 16), (1, 0, 2, 0, 5), (4, 7, 2, 1, 1)])
def test_float32_is_as_close_as_its_twin(size):
    exact = derivatives("torch", *draw(*size))
    tensors, edges = draw(*size, dtype=torch.float32)
    assert_as_close_as_the_twin(*(derivatives(name, tensors, edges) for name in ("numba", "torch")), exact)


# components that fill a block and that do not, no features, no edges, atoms without edges, a channel alone
@pytest.mark.parametrize("size", [(5, 11, 3, 2, 4), (4, 7, 2, 0, 5), (7, 3, 1, 1, 1), (3, 0, 2, 1, 3)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_triton_equals_the_torch_twin(size, dtype, triton_device):
    tensors, edges = draw(*size, dtype=dtype)
    tensors = [t.detach().to(triton_device).requires_grad_() for t in tensors]
    edges = Edges(edges.edge_index.to(triton_device), edges.n_atoms)
    ours, twin = (derivatives(name, tensors, edges) for name in ("triton", "torch"))
    assert_equal(ours, twin, tolerance=1e-12 if dtype == torch.float64 else 1e-5)


@pytest.mark.parametrize("k_max", [0, 1, 2])
def test_gradcheck(k_max):
    tensors, edges = draw(3, 5, 3, k_max, 2)
    with backend("numba"):
        assert torch.autograd.gradcheck(lambda *t: edge_sum(*t, edges), tensors)
        assert torch.autograd.gradgradcheck(lambda *t: edge_sum(*t, edges), tensors)


def test_non_contiguous_inputs():
    tensors, edges = draw(5, 11, 2, 1, 4)
    strided = [t.detach().transpose(0, -1).contiguous().transpose(0, -1) for t in tensors]
    with backend("numba"):
        assert torch.equal(edge_sum(*strided, edges), edge_sum(*tensors, edges).detach())


def test_components_must_be_whole_degrees():
    with pytest.raises(ValueError, match=r"\(L \+ 1\)\^2"):
        degree_count(5)
