"""Fixed points: convergence where the block contracts, and what is said where it does not."""

import warnings

import pytest
import torch
from contracting_blocks import Affine, Block
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn as torch_nn

from equishare import groups, nn


@pytest.mark.parametrize("method", ["anderson", "iteration"])
@settings(max_examples=10)
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


def test_default_tolerance_in_single_precision():
    block = Block(norm=0.9).float()
    layer = nn.Equilibrium(block)
    x = torch.randn(16, 6, requires_grad=True)
    layer(torch.zeros(16, 6), x).sum().backward()
    assert layer.convergence.converged
    assert layer.backward_convergence.converged
    reference = torch.autograd.grad(nn.Iterated(block, 300)(torch.zeros(16, 6), x).sum(), x)[0]
    torch.testing.assert_close(x.grad, reference, rtol=1e-3, atol=1e-3)


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


def test_a_compiler_is_told_what_to_do():
    layer = nn.Equilibrium(Block())
    x = torch.randn(2, 6, dtype=torch.float64)
    with pytest.raises(Exception, match="Iterated"):
        torch.export.export(layer, (x, x))


@pytest.mark.usefixtures("unchecked")
def test_wrong_settings():
    with pytest.raises(nn.LayerError, match="one of"):
        nn.Equilibrium(Block(), method="newton")
    with pytest.raises(nn.LayerError, match="iterations: a whole number"):
        nn.Iterated(Block(), 0)
    with pytest.raises(nn.LayerError, match="to itself"):
        nn.fixed_point(lambda z: z[:, :1], torch.zeros(1, 3))
