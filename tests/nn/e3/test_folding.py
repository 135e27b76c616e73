"""Folding: the same numbers to the bit, until the layer is trained, moved or folded anew."""

import copy

import torch

from equishare.nn import IrrepsLinear
from equishare.nn.e3.folding import fold


def test_kept_until_training():
    layer, x = IrrepsLinear("3x0e+3x1o", "2x0e+2x1o", bias=True).eval(), torch.randn(4, 4, 3)
    before = layer(x)
    fold(layer)
    assert torch.equal(layer(x), before)
    assert torch.equal(copy.deepcopy(layer)(x), before)
    with torch.no_grad():
        layer.weight *= 2
    assert torch.equal(layer(x), before)  # computed once: fold says so
    fold(layer)
    assert not torch.equal(layer(x), before)
    layer.train()
    layer(x).sum().backward()
    assert layer.weight.grad is not None


def test_another_precision():
    layer, x = IrrepsLinear("3x0e+3x1o", "2x0e+2x1o").eval(), torch.randn(4, 4, 3)
    fold(layer)
    before = layer(x)
    after = layer.double()(x.double())
    assert after.dtype == torch.float64
    assert torch.allclose(after, before.double(), atol=1e-5)
    with torch.no_grad():
        layer.weight.copy_(layer.weight.float().double() * 3)
    assert not torch.equal(layer.float()(x), before)
