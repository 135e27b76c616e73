"""The compiled channel-wise product against its plain torch twin."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import assert_as_close_as_the_twin, assert_equal, derivatives_of, drawing

from equishare.nn import Layout, backend
from equishare.ops.channel_product.coupling import Coupling
from equishare.ops.channel_product.operation import channel_product


def irreps(channels, *names):
    return Layout.of("+".join(f"{channels}x{name}" for name in names))


def couplings(channels):
    natural, small = irreps(channels, "0e", "1o", "2e"), irreps(channels, "0e", "1o")
    return {
        "with itself": Coupling.of(natural, natural, natural, symmetric=True),
        "of two": Coupling.of(natural, small, natural),
        "parities": Coupling.of(irreps(channels, "1o", "0o"), irreps(channels, "1e"), irreps(channels, "1o", "2o")),
    }


def draw(coupling, n_atoms, channels, kinds, dtype=torch.float64, seed=0):
    normal, generator = drawing(dtype, seed)
    left = normal(coupling.left.dim, n_atoms, channels)
    right = left if coupling.symmetric else normal(coupling.right.dim, n_atoms, channels)
    kind = torch.randint(kinds, (n_atoms,), generator=generator)
    return left, right, normal(kinds, len(coupling.paths), channels), kind


def derivatives(name, left, right, weight, kind, coupling):
    inputs = [left, weight] if right is left else [left, right, weight]
    return derivatives_of(lambda: channel_product(left, right, weight, kind, coupling), inputs, name)


@settings(max_examples=20)
@given(
    st.sampled_from(["with itself", "of two", "parities"]),
    st.integers(0, 9),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(0, 1000),
)
def test_equals_the_torch_twin_in_float64(name, n_atoms, channels, kinds, seed):
    coupling = couplings(channels)[name]
    arguments = draw(coupling, n_atoms, channels, kinds, seed=seed)
    assert_equal(*(derivatives(b, *arguments, coupling) for b in ("numba", "torch")))


@pytest.mark.parametrize("name", ["with itself", "of two"])
@pytest.mark.parametrize("n_atoms", [1, 17])
def test_float32_is_as_close_as_its_twin(name, n_atoms):
    coupling = couplings(8)[name]
    exact = derivatives("torch", *draw(coupling, n_atoms, 8, 2), coupling)
    arguments = draw(coupling, n_atoms, 8, 2, dtype=torch.float32)
    assert_as_close_as_the_twin(*(derivatives(b, *arguments, coupling) for b in ("numba", "torch")), exact)


@pytest.mark.parametrize("name", ["with itself", "of two", "parities"])
def test_gradcheck(name):
    coupling = couplings(2)[name]
    left, right, weight, kind = draw(coupling, 2, 2, 2)
    if coupling.symmetric:
        inputs, function = (left, weight), lambda a, w: channel_product(a, a, w, kind, coupling)
    else:
        inputs, function = (left, right, weight), lambda a, b, w: channel_product(a, b, w, kind, coupling)
    with backend("numba"):
        assert torch.autograd.gradcheck(function, inputs)
        assert torch.autograd.gradgradcheck(function, inputs)


@pytest.mark.parametrize("name", ["with itself", "parities"])
def test_triton_equals_the_torch_twin(name, triton_device):
    for n_atoms in (2, 0):
        coupling = couplings(3)[name]
        *tensors, kind = draw(coupling, n_atoms, 3, 3)
        left, right, weight = (t.detach().to(triton_device).requires_grad_() for t in tensors)
        arguments = left, left if coupling.symmetric else right, weight, kind.to(triton_device), coupling
        assert_equal(*(derivatives(b, *arguments) for b in ("triton", "torch")))


@pytest.mark.parametrize("name", ["with itself", "of two"])
@pytest.mark.parametrize("learnt", ["left", "right", "weight"])
def test_the_others_may_be_constants(name, learnt):
    coupling = couplings(4)[name]
    left, right, weight, kind = draw(coupling, n_atoms=5, channels=4, kinds=2)
    given = {"left": left.detach(), "right": right.detach(), "weight": weight.detach()}
    if coupling.symmetric:
        given["right"] = given["left"]
        learnt = "left" if learnt == "right" else learnt
    leaf = given[learnt].requires_grad_()
    found = []
    for each in ("numba", "torch"):
        with backend(each):
            out = channel_product(**given, kind=kind, coupling=coupling)
        found.append(torch.autograd.grad((out**2).sum(), leaf)[0])
    assert found[0] == pytest.approx(found[1], abs=1e-12)
