"""The compiled sweep over edges gives the numbers of the layers, their derivatives, and the derivatives of a loss on those."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equishare.nn import backend
from equishare.ops.edge_functions.operation import EdgeSweeps, edge_functions
from equishare.ops.edge_functions.torch import Radial

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-12}


def both(vectors, radial, l_max):
    """(layers, compiled), each as (functions, the vectors they come from)."""
    found = []
    for curvature in (True, False):
        own = vectors.clone().requires_grad_()
        found.append((edge_functions(own, radial, l_max, curvature), own))
    return found


def close(a, b, dtype):
    a, b = a.detach(), b.detach()
    largest = float(b.abs().max()) if b.numel() else 0.0
    return torch.allclose(a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * (1 + largest))


@given(
    st.integers(0, 2**31),
    st.integers(0, 40),
    st.integers(0, 5),
    st.integers(1, 12),
    st.integers(2, 8),
    st.none() | st.floats(0.5, 8.0),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_values_and_derivatives(seed, edges, l_max, n_basis, power, decay_length, dtype):
    generator = torch.Generator().manual_seed(seed)
    radial, l_max = Radial(4.0, n_basis, power, decay_length), l_max
    # some beyond the cutoff, some close together
    vectors = (1.5 * torch.randn(edges, 3, generator=generator, dtype=torch.float64) + 0.05).to(dtype)
    (layers, leaf), (compiled, own) = both(vectors, radial, l_max)
    assert all(close(a, b, dtype) for a, b in zip(compiled, layers, strict=True))
    weights = [torch.randn(value.shape, generator=generator, dtype=torch.float64).to(dtype) for value in layers]
    (expected,) = torch.autograd.grad(sum((w * value).sum() for w, value in zip(weights, layers, strict=True)), leaf)
    (found,) = torch.autograd.grad(sum((w * value).sum() for w, value in zip(weights, compiled, strict=True)), own)
    # where two atoms nearly coincide directions turn fast, and float32 rounds them before the layers see them
    near = vectors.norm(dim=1, keepdim=True).clamp(max=1.0) ** (2 if dtype == torch.float32 else 1)
    assert close(found * near, expected * near, dtype)
    # dynamics evaluate the same without slopes in between, and add to what is there
    sweeps, arrays = EdgeSweeps(radial, l_max), vectors.numpy()
    values = *sweeps.values(arrays), sweeps.envelope(arrays)
    order = compiled[0], compiled[2], compiled[1]
    assert all(close(torch.from_numpy(a), b, dtype) for a, b in zip(values, order, strict=True))
    of_basis, of_envelope, of_harmonics = (weight.numpy() for weight in weights)
    out = torch.ones_like(vectors)
    sweeps.gradient(arrays, of_basis, of_harmonics, out.numpy())
    sweeps.envelope_gradient(arrays, of_envelope, out.numpy())
    assert close((out - 1) * near, expected * near, dtype)


def test_a_loss_on_forces_has_the_same_gradient():
    """The weights of what follows enter the derivative by the vectors, and are fitted through it."""
    radial, l_max = Radial(4.0, 3, decay_length=1.2), 2
    vectors = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weight = torch.randn(3, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    gradients = []
    for (basis, envelope, y), own in both(vectors, radial, l_max):
        energy = ((basis @ weight * y).sum(1) * envelope).square().sum()
        (forces,) = torch.autograd.grad(energy, own, create_graph=True)
        gradients.append(torch.autograd.grad(forces.square().sum() + energy, weight)[0])
    assert torch.allclose(*gradients, rtol=1e-10)


def test_small_lengths_and_the_cutoff():
    radial, l_max = Radial(4.0, 6, decay_length=1.0), 3
    lengths = torch.tensor([1e-6, 1e-4, 3e-4, 1e-3, 3.999999, 4.0, 4.1], dtype=torch.float64)
    vectors = lengths[:, None] * torch.tensor([0.6, 0.0, -0.8], dtype=torch.float64)
    (layers, leaf), (compiled, own) = both(vectors, radial, l_max)
    assert all(torch.allclose(a, b, rtol=1e-8, atol=1e-12) for a, b in zip(compiled, layers, strict=True))
    assert not compiled[0][-2:].any()
    assert not compiled[1][-2:].any()
    # radial functions alone: those of harmonics grow as 1 / r
    slopes = [torch.autograd.grad(v[0].sum(), x)[0] for v, x in ((layers, leaf), (compiled, own))]
    assert torch.allclose(*slopes, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["torch", "numba"])
def test_second_derivatives_where_they_are_asked_for(name):
    radial, l_max = Radial(4.0, 3, decay_length=1.2), 3

    def total(vectors):
        with backend(name):
            basis, envelope, y = edge_functions(vectors, radial, l_max)
        return (basis.sum(1) * y.square().cumsum(1).sum(1) * envelope + y.cumsum(1).prod(1)).sum()

    vectors = torch.randn(3, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradgradcheck(total, (vectors,))
