"""Fixed points: convergence where the block contracts, the gradient of the unrolled net, memory flat in depth."""

import gc
import math
import warnings
import weakref

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn as torch_nn

from equishare import groups, nn


class Block(torch_nn.Module):
    """tanh(A z + x + b) with |A| = norm: contracts for norm < 1."""

    def __init__(self, size=6, norm=0.8, symmetric=False):
        super().__init__()
        weight = torch.randn(size, size, dtype=torch.float64)
        if symmetric:
            weight = weight + weight.T
        self.weight = torch_nn.Parameter(norm * weight / torch.linalg.matrix_norm(weight, 2))
        self.bias = torch_nn.Parameter(torch.randn(size, dtype=torch.float64))

    def forward(self, z, x):
        return torch.tanh(z @ self.weight.mT + x + self.bias)


class Affine(torch_nn.Module):
    """z A^T + x, whose fixed point is known."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = torch_nn.Parameter(matrix)

    def forward(self, z, x):
        return z @ self.matrix.mT + x


@pytest.mark.parametrize("method", ["anderson", "iteration"])
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000), norm=st.floats(0.05, 0.95))
def test_converges_wherever_the_block_contracts(method, seed, norm):
    torch.manual_seed(seed)
    block = Block(norm=norm)
    layer = nn.Equilibrium(block, tolerance=1e-9, max_iterations=1000, method=method)
    x = torch.randn(4, 6, dtype=torch.float64)
    z = layer(torch.zeros_like(x), x)
    assert layer.convergence.converged
    # |z - z*| <= |f(z) - z| / (1 - norm)
    far = nn.Iterated(block, 2000)(torch.zeros_like(x), x)
    assert float((z - far).detach().norm(dim=1).max()) <= 1e-9 * 6**0.5 / (1 - norm) * 1.01


@pytest.mark.parametrize("method", ["anderson", "iteration"])
def test_solution_of_a_linear_system(method):
    matrix = Block(norm=0.9).weight.detach()
    x = torch.randn(3, 6, dtype=torch.float64)
    layer = nn.Equilibrium(Affine(matrix), tolerance=1e-12, max_iterations=1000, method=method)
    exact = torch.linalg.solve(torch.eye(6, dtype=torch.float64) - matrix, x.mT).mT
    torch.testing.assert_close(layer(torch.zeros_like(x), x), exact, rtol=1e-9, atol=1e-9)


def test_error_of_the_plain_iteration_falls_by_the_contraction_factor():
    block = Block(norm=0.5, symmetric=True)
    linear = Affine(block.weight.detach())
    x = torch.randn(1, 6, dtype=torch.float64)
    exact = torch.linalg.solve(torch.eye(6, dtype=torch.float64) - linear.matrix.detach(), x.mT).mT
    errors = [float((nn.Iterated(linear, k)(torch.zeros_like(x), x) - exact).detach().norm()) for k in (20, 21, 22)]
    assert errors[1] / errors[0] == pytest.approx(0.5, rel=1e-2)
    assert errors[2] / errors[1] == pytest.approx(0.5, rel=1e-2)


def test_anderson_needs_fewer_steps():
    block = Block(norm=0.95, symmetric=True)
    x = torch.randn(8, 6, dtype=torch.float64)
    steps = {}
    for method in ("anderson", "iteration"):
        layer = nn.Equilibrium(Affine(block.weight.detach()), tolerance=1e-8, max_iterations=2000, method=method)
        layer(torch.zeros_like(x), x)
        steps[method] = layer.convergence.iterations
    assert steps["anderson"] * 3 < steps["iteration"]


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


def test_default_tolerance_in_single_precision():
    block = Block(norm=0.9).float()
    layer = nn.Equilibrium(block)
    x = torch.randn(16, 6, requires_grad=True)
    layer(torch.zeros(16, 6), x).sum().backward()
    assert layer.convergence.converged
    assert layer.backward_convergence.converged
    reference = torch.autograd.grad(nn.Iterated(block, 300)(torch.zeros(16, 6), x).sum(), x)[0]
    torch.testing.assert_close(x.grad, reference, rtol=1e-3, atol=1e-3)


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


def test_batch_members_do_not_see_each_other():
    block = Block(norm=0.9)
    layer = nn.Equilibrium(block, tolerance=1e-11)
    x = torch.randn(6, 6, dtype=torch.float64)
    x[0] *= 100
    together = layer(torch.zeros_like(x), x)
    alone = torch.cat([layer(torch.zeros_like(row), row) for row in x.split(1)])
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-9)


class FieldBlock(torch_nn.Module):
    """An equivariant block: a group convolution of the state, and the injected input."""

    def __init__(self, group, dtype):
        super().__init__()
        self.conv = nn.GroupConv2d(group, 2, 2, 3, dtype=dtype)
        with torch.no_grad():
            self.conv.weight.mul_(0.3)

    def forward(self, z, x):
        return torch.tanh(self.conv(z) + x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["Iterated", "Equilibrium"])
def test_equivariant_block_gives_an_equivariant_layer(kind, dtype):
    group = groups.dihedral(4)
    block = FieldBlock(group, dtype)
    tolerance = 1e-6 if dtype == torch.float32 else 1e-13
    layer = nn.Iterated(block, 6) if kind == "Iterated" else nn.Equilibrium(block, tolerance=tolerance)
    x = torch.randn(2, 16, 5, 5, dtype=dtype)
    rep = 2 * group.regular()
    z = layer(torch.zeros_like(x), x).detach()
    for element in group.generators:
        rho, turn = rep(element).to(dtype), group.defining()(element).to(dtype)

        def act(y, rho=rho, turn=turn):
            return turned(torch.einsum("ij,bjhw->bihw", rho, y), turn)

        error = (layer(torch.zeros_like(x), act(x)) - act(z)).detach().norm() / z.norm()
        assert float(error) < 20 * tolerance
        assert float((act(z) - z).norm() / z.norm()) > 0.1


def turned(y, matrix):
    """Images turned about the centre by a symmetry of the square (rows up, columns right)."""
    coordinates = torch.stack(torch.meshgrid(torch.arange(5) - 2, torch.arange(5) - 2, indexing="ij"), -1).to(y.dtype)
    xy = torch.stack([coordinates[..., 1], -coordinates[..., 0]], -1)  # (x right, y up) of each pixel
    source = (xy @ matrix).round().long()  # matrix^T applied to each point
    return y[:, :, 2 - source[..., 1], source[..., 0] + 2]


def test_failure_to_converge_is_said():
    layer = nn.Equilibrium(Block(norm=0.99), tolerance=1e-12, max_iterations=3)
    x = torch.randn(1, 6, dtype=torch.float64)
    with pytest.warns(nn.ConvergenceWarning, match="forward pass .* stopped at a relative residual"):
        out = layer(torch.zeros_like(x), x)
    assert layer.convergence == nn.Convergence(3, layer.convergence.residual, False)
    assert 1e-12 < layer.convergence.residual < 1
    with pytest.warns(nn.ConvergenceWarning, match="backward pass"):
        out.sum().backward()
    assert not layer.backward_convergence.converged


def test_divergence_raises():
    layer = nn.Equilibrium(Affine(3 * torch.eye(2)), method="iteration", max_iterations=1000)
    with pytest.raises(nn.ConvergenceError, match="not finite"):
        layer(torch.ones(1, 2), torch.ones(1, 2))


def test_point_already_fixed_takes_one_step():
    layer = nn.Equilibrium(Affine(torch.zeros(3, 3)))
    x = torch.ones(2, 3)
    z = layer(x, x)
    assert torch.equal(z, x)
    assert layer.convergence.iterations == 1
    z.sum().backward()  # the adjoint's map is constant


def test_all_zero_state_is_a_fixed_point():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        z, convergence = nn.fixed_point(lambda z: 0.5 * z, torch.zeros(2, 3))
    assert convergence.converged
    assert not z.any()


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


def test_a_compiler_is_told_what_to_do():
    layer = nn.Equilibrium(Block())
    x = torch.randn(2, 6, dtype=torch.float64)
    with pytest.raises(Exception, match="Iterated"):
        torch.export.export(layer, (x, x))


def test_no_gradient_no_graph():
    layer = nn.Equilibrium(Block(norm=0.5))
    x = torch.randn(2, 6, dtype=torch.float64)
    with torch.no_grad():
        assert not layer(torch.zeros_like(x), x).requires_grad


@pytest.mark.usefixtures("unchecked")
def test_wrong_settings():
    with pytest.raises(nn.LayerError, match="one of"):
        nn.Equilibrium(Block(), method="newton")
    with pytest.raises(nn.LayerError, match="one iteration"):
        nn.Iterated(Block(), 0)
    with pytest.raises(nn.LayerError, match="to itself"):
        nn.fixed_point(lambda z: z[:, :1], torch.zeros(1, 3))
