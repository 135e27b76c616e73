"""Derivatives of any order of the operations that are written out for two."""

import pytest
import torch

from equishare import nn


def build(name):
    index = torch.tensor([[0, 1, 2, 3, 0], [1, 2, 3, 0, 2]])
    x = torch.randn(4, 4, 3, dtype=torch.float64)
    layers = {
        "product": lambda: (nn.ChannelProduct("3x0e+3x1o", "3x0e+3x1o", "3x0e+3x1o+3x2e"), (x.flip(0),)),
        "square": lambda: (nn.ChannelProduct("3x0e+3x1o", None, "3x0e+3x1o+3x2e"), ()),
        "edge sum": lambda: (
            nn.DensityConv("3x0e+3x1o", 2, 2),
            (torch.randn(5, 2, dtype=torch.float64), torch.randn(5, 9, dtype=torch.float64), index),
        ),
        "tensor product": lambda: (
            nn.ChannelTensorProduct("3x0e+3x1o", "0e+1o", "0e+1o"),
            (torch.randn(5, 4, dtype=torch.float64), torch.randn(5, 4, 3, dtype=torch.float64), index),
        ),
    }
    layer, rest = layers[name]()
    return layer.double(), x, rest


@pytest.mark.parametrize("name", ["product", "square", "edge sum", "tensor product"])
def test_derivatives_along_constant_directions(name):
    """Every incoming gradient is a constant: where a derivative was not followed, it would be taken for a constant too."""
    layer, x, rest = build(name)
    leaves = [
        x.clone().requires_grad_(),
        *(t.clone().requires_grad_(t.is_floating_point()) for t in rest),
        *layer.parameters(),
    ]
    moving = [t for t in leaves if t.requires_grad]
    directions = [torch.randn_like(t) for t in moving]

    def derivatives():
        value = layer(leaves[0], *leaves[1 : 1 + len(rest)]).pow(2).sum()
        found = []
        for _ in range(4):
            grads = torch.autograd.grad(value, moving, create_graph=True, allow_unused=True)
            value = sum((g * d).sum() for g, d in zip(grads, directions, strict=True) if g is not None)
            found.append(value.detach())
        return torch.stack(found)

    loops = derivatives()
    with nn.backend("torch"):
        torch.testing.assert_close(loops, derivatives(), rtol=1e-9, atol=1e-9)
    assert (loops.abs() > 1e-3).all()


@pytest.mark.parametrize("name", ["product", "square", "edge sum", "tensor product"])
def test_functional_transforms_see_through(name):
    layer, x, rest = build(name)
    jacobian = torch.func.jacrev(lambda a: layer(a, *rest))(x)
    forward = torch.func.jacfwd(lambda a: layer(a, *rest))(x)
    torch.testing.assert_close(jacobian, forward)
    torch.testing.assert_close(jacobian, torch.autograd.functional.jacobian(lambda a: layer(a, *rest), x))
