"""Derivatives of fixed points: those of the unrolled net, of any order, in memory that is flat in depth."""

import gc
import math
import weakref

import pytest
import torch
from contracting_blocks import Affine, Block
from torch import nn as torch_nn

from equishare import nn


@pytest.mark.parametrize("method", ["anderson", "iteration"])
def test_gradient_equals_that_of_the_unrolled_net(method):
    block = Block(norm=0.7)
    layer = nn.Equilibrium(block, tolerance=1e-12, max_iterations=500, method=method)
    x = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    gradients = []
    for net in (layer, nn.Iterated(block, 200)):
        loss = (net(torch.zeros(5, 6, dtype=torch.float64), x) ** 3).sum()
        gradients.append(torch.autograd.grad(loss, [x, *block.parameters()]))
    for implicit, unrolled in zip(*gradients, strict=True):
        torch.testing.assert_close(implicit, unrolled, rtol=1e-9, atol=1e-9)
    assert layer.backward_convergence.converged


def test_gradient_equals_finite_differences():
    block = Block(size=3, norm=0.6)
    layer = nn.Equilibrium(block, tolerance=1e-13)
    x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)

    def run(x, weight, bias):
        weights = {"block.weight": weight, "block.bias": bias}
        return torch.func.functional_call(layer, weights, (torch.zeros(2, 3, dtype=torch.float64), x))

    assert torch.autograd.gradcheck(run, (x, block.weight, block.bias))


def kept_bytes(net, x):
    """Bytes that autograd holds between forward and backward, each tensor once."""
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr(), tensor.shape] = tensor  # held, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        out = net(torch.zeros_like(x), x)
    total = sum(t.numel() * t.element_size() for t in kept.values())
    out.sum().backward()
    return total


def test_memory_is_flat_in_depth():
    block = Affine(Block(norm=0.95, symmetric=True).weight.detach())
    x = torch.randn(50, 6, dtype=torch.float64)
    kept = {}
    for tolerance in (1e-2, 1e-12):
        layer = nn.Equilibrium(block, tolerance=tolerance, max_iterations=2000, method="iteration")
        kept[tolerance] = kept_bytes(layer, x)
        depth = layer.convergence.iterations
    assert depth > 100
    assert kept[1e-2] == kept[1e-12] <= kept_bytes(nn.Iterated(block, 1), x) + x.numel() * 8 * 2
    one, many = kept_bytes(nn.Iterated(block, 1), x), kept_bytes(nn.Iterated(block, 101), x)
    assert many - one >= 100 * x.numel() * 8


def test_graph_is_freed_without_the_garbage_collector():
    layer = nn.Equilibrium(Block(norm=0.5))
    x = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    gc.collect()
    gc.disable()
    try:
        out = layer(torch.zeros_like(x), x * 1.0)
        node = weakref.ref(out.grad_fn)
        out.sum().backward()
        del out
        assert node() is None
    finally:
        gc.enable()


def test_derivatives_in_closed_form():
    """z = tanh(w z + x): z' = s / (1 - w s) with s = 1 - z^2, and z'' by differentiating that."""
    w, x = (torch.tensor([[v]], dtype=torch.float64, requires_grad=True) for v in (0.5, 0.3))

    class Scalar(torch_nn.Module):
        def forward(self, z, x, w):
            return torch.tanh(w * z + x)

    z = nn.Equilibrium(Scalar(), tolerance=1e-14)(torch.zeros(1, 1, dtype=torch.float64), x, w)
    (first,) = torch.autograd.grad(z.sum(), x, create_graph=True)
    second, mixed = torch.autograd.grad(first.sum(), (x, w), create_graph=True)
    v, s = z.item(), 1 - z.item() ** 2
    slope = s / (1 - 0.5 * s)
    by_w = v * slope  # dz/dw
    assert first.item() == pytest.approx(slope, rel=1e-12)
    assert second.item() == pytest.approx(-2 * v * slope / (1 - 0.5 * s) ** 2, rel=1e-12)
    assert mixed.item() == pytest.approx((-2 * v * by_w + s * s) / (1 - 0.5 * s) ** 2, rel=1e-12)
    (third,) = torch.autograd.grad(second.sum(), x)
    h = 1e-4

    def curvature(a):
        t = torch.tanh(torch.tensor(0.0))  # fixed point by plain iteration
        for _ in range(200):
            t = math.tanh(0.5 * float(t) + a)
        r = 1 - t * t
        return -2 * t * r / (1 - 0.5 * r) ** 3

    assert third.item() == pytest.approx((curvature(0.3 + h) - curvature(0.3 - h)) / (2 * h), rel=1e-6)


@pytest.mark.parametrize("method", ["anderson", "iteration"])
def test_second_derivatives_equal_finite_differences(method):
    block = Block(size=2, norm=0.6)
    layer = nn.Equilibrium(block, tolerance=1e-13, max_iterations=500, method=method)
    x = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)

    def run(x, weight, bias):
        weights = {"block.weight": weight, "block.bias": bias}
        return torch.func.functional_call(layer, weights, (torch.zeros(2, 2, dtype=torch.float64), x))

    assert torch.autograd.gradgradcheck(run, (x, block.weight, block.bias))
    assert torch.autograd.gradcheck(run, (x, block.weight, block.bias), check_forward_ad=True)


def test_functional_transforms_equal_the_unrolled_net():
    block = Block(size=3, norm=0.5)
    x = torch.randn(4, 3, dtype=torch.float64)
    zero = torch.zeros(1, 3, dtype=torch.float64)
    weights = {name: p.detach() for name, p in block.named_parameters()}
    found = []
    for net in (nn.Equilibrium(block, tolerance=1e-13), nn.Iterated(block, 100)):

        def value(weights, row, net=net):
            named = {f"block.{name}": w for name, w in weights.items()}
            return torch.func.functional_call(net, named, (zero, row[None])).square().sum()

        found.append(
            (
                torch.vmap(torch.func.grad(value), in_dims=(None, 0))(weights, x),
                torch.vmap(torch.func.hessian(value, argnums=1), in_dims=(None, 0))(weights, x),
                torch.func.jacrev(torch.func.jacrev(value, argnums=1), argnums=1)(weights, x[0]),
            )
        )
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9)


def test_a_loss_on_a_derivative_trains_the_weights():
    block, x = Block(norm=0.5), torch.randn(2, 6, dtype=torch.float64)
    gradients = []
    for net in (nn.Equilibrium(block, tolerance=1e-12), nn.Iterated(block, 80)):
        point = x.clone().requires_grad_()
        (force,) = torch.autograd.grad(net(torch.zeros_like(x), point).sum(), point, create_graph=True)
        gradients.append(torch.autograd.grad(force.square().sum(), list(block.parameters())))
    torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-8)


def test_derivatives_belong_to_the_parameters_of_the_call():
    block, x = Block(norm=0.5), torch.randn(2, 6, dtype=torch.float64)
    layer, zero = nn.Equilibrium(block, tolerance=1e-13), torch.zeros(2, 6, dtype=torch.float64)
    other = Block(norm=0.3)
    weights = {f"block.{name}": p for name, p in other.named_parameters()}
    found = torch.autograd.grad(torch.func.functional_call(layer, weights, (zero, x)).sum(), list(other.parameters()))
    expected = torch.autograd.grad(nn.Iterated(other, 60)(zero, x).sum(), list(other.parameters()))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_buffers_and_options_of_the_block_are_its_inputs():
    class Scaled(torch_nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("scale", torch.tensor(0.5, dtype=torch.float64))

        def forward(self, z, x, *, steps, shift=None):
            return torch.tanh(self.scale * z + x * steps + (0 if shift is None else shift))

    layer = nn.Equilibrium(Scaled(), tolerance=1e-13)
    x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    shift = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    out = layer(torch.zeros(2, 3, dtype=torch.float64), x, steps=2, shift=shift)
    by_x, by_shift = torch.autograd.grad(out.sum(), (x, shift), retain_graph=True)
    torch.testing.assert_close(by_x, 2 * by_shift)
    assert torch.equal(by_x, torch.autograd.grad(out.sum(), x)[0])  # a second backward pass


def test_no_gradient_no_graph():
    layer = nn.Equilibrium(Block(norm=0.5))
    x = torch.randn(2, 6, dtype=torch.float64)
    with torch.no_grad():
        assert not layer(torch.zeros_like(x), x).requires_grad
