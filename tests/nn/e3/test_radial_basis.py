import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equishare.nn import RadialBasis, polynomial_cutoff


def derivatives(function, x, order):
    """Value and derivatives of a function of each length, by automatic differentiation."""
    x = x.clone().requires_grad_()
    value = function(x)
    found = [value.detach()]
    for _ in range(order):
        (value,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        found.append(value.detach())
    return found


def test_formula():
    r = torch.linspace(0.2, 4.8, 17, dtype=torch.float64)
    n = torch.arange(1, 7, dtype=torch.float64)
    bare = math.sqrt(8 / 5) * torch.sin(n * math.pi * r[:, None] / 5) / (n * r[:, None])
    whole = bare * polynomial_cutoff(r / 5)[:, None]
    assert torch.allclose(RadialBasis(5.0, 6)(r), whole, atol=1e-14)
    decaying = whole * 4 / (1 + (r / 1.2) ** 2)[:, None]
    assert torch.allclose(RadialBasis(5.0, 6, decay_length=1.2)(r), decaying, atol=1e-14)


@given(
    st.floats(1.0, 12.0),
    st.integers(1, 12),
    st.sampled_from([torch.float32, torch.float64]),
    st.none() | st.floats(0.5, 8),
)
def test_exactly_zero_from_the_cutoff_on(cutoff, n_basis, dtype, decay_length):
    """Values and two derivatives: an edge beyond the cutoff may be listed or not."""
    layer = RadialBasis(cutoff, n_basis, decay_length=decay_length)
    beyond = cutoff * torch.tensor([1.001, 1.1, 1.5, 3.0], dtype=dtype)
    for found in derivatives(lambda r: layer(r).sum(1), beyond, 2):
        assert torch.equal(found, torch.zeros_like(found))


@pytest.mark.parametrize("decay_length", [None, 1.2])
def test_two_continuous_derivatives_at_the_cutoff(decay_length):
    layer = RadialBasis(5.0, 8, decay_length=decay_length)
    inner = torch.linspace(0.5, 4.5, 50, dtype=torch.float64)
    for order in range(3):
        scale = derivatives(lambda r: layer(r).sum(1), inner, order)[order].abs().max()
        steps = [
            derivatives(lambda r: layer(r).sum(1), torch.tensor([5.0 - h], dtype=torch.float64), order)[order].abs()
            for h in (1e-2, 1e-3, 1e-4)
        ]
        assert steps[2] < 1e-2 * scale
        assert steps[0] > steps[1] > steps[2]  # on the way to zero


def test_finite_where_two_atoms_coincide():
    for found in derivatives(lambda r: RadialBasis(5.0, 4)(r).sum(1), torch.zeros(1, dtype=torch.float64), 1):
        assert torch.isfinite(found).all()


def test_the_envelope_starts_at_one_and_falls():
    x = torch.linspace(0, 1, 101, dtype=torch.float64)
    f = polynomial_cutoff(x)
    assert f[0] == 1
    assert f[-1] == 0
    assert (f.diff() <= 0).all()


@pytest.mark.parametrize("arguments", [(0.0, 4), (-1.0, 4), (5.0, 0), (5.0, 4, 6, 0.0)])
def test_errors(arguments):
    with pytest.raises(ValueError, match=r"positive|from 1 up"):
        RadialBasis(*arguments)
