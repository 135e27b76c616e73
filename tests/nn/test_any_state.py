"""Layers after inference mode, in half precision, on nothing at all, and on inputs that do not fit each other."""

import copy

import pytest
import torch

from equishare import groups, nn
from equishare.nn.e3.folding import fold

O3, C4 = groups.o3(), groups.cyclic(4)
FEATURES = "4x0e+4x1o"


def ring(n):
    rows = torch.arange(n)
    return torch.stack([rows, rows.roll(1)])


CASES = {
    "harmonics": (lambda: nn.SphericalHarmonics(3), lambda n: (torch.randn(n, 3),)),
    "product": (lambda: nn.ChannelProduct(FEATURES, None, FEATURES), lambda n: (torch.randn(n, 4, 4),)),
    "rows": (
        lambda: nn.ChannelTensorProduct(FEATURES, "0e+1o", "1o"),
        lambda n: (torch.randn(n, 4, 4), torch.randn(n, 4), torch.randn(n, 2, 4)),
    ),
    "density": (
        lambda: nn.DensityConv(FEATURES, 2, 3),
        lambda n: (torch.randn(n, 4, 4), torch.randn(n, 3), torch.randn(n, 9), ring(n)),
    ),
}


@pytest.mark.parametrize("kernels", ["torch", "numba"])
@pytest.mark.parametrize("name", CASES)
def test_what_inference_mode_left_behind_can_be_trained_with(name, kernels):
    make, inputs = CASES[name]
    layer, given = make().double(), inputs(17)
    given = tuple(x.double() if x.is_floating_point() else x for x in given)
    with nn.backend(kernels):
        with torch.inference_mode():
            expected = layer(*given)
        leaves = [x.requires_grad_() for x in given if x.is_floating_point()]
        found = layer(*given)
        grads = torch.autograd.grad(found.square().sum(), leaves)
    assert torch.equal(found.detach(), expected.clone())
    assert all(g.isfinite().all() for g in grads)


def test_folded_layers_leave_inference_mode():
    layer, x = nn.IrrepsLinear(FEATURES, "4x1o").eval(), torch.randn(5, 4, 4)
    fold(layer)
    with torch.inference_mode():
        layer(x)
    (grad,) = torch.autograd.grad(layer(x.requires_grad_()).sum(), x)
    fold(layer)
    (other,) = torch.autograd.grad(layer(x).sum(), x)
    assert torch.equal(grad, other)


def test_loops_never_read_past_their_arrays(unchecked):
    def random(*shape):
        return torch.randn(*shape)

    def zeros(n):
        return torch.zeros(n, dtype=torch.long)

    product = nn.ChannelProduct(FEATURES, FEATURES, FEATURES, n_kinds=2)
    for left, right, kind in ((5, 3, zeros(5)), (5, 5, zeros(2)), (5, 5, zeros(5) + 2), (5, 5, zeros(5) - 1)):
        with pytest.raises(nn.LayerError, match=r"atoms=5|kinds from 0 to 1"):
            product(random(left, 4, 4), random(right, 4, 4), kind)
    density, index = nn.DensityConv(FEATURES, 2, 3), ring(5)
    for atoms, basis, harmonics, edges in (
        (5, 4, 5, index),
        (5, 5, 4, index),
        (5, 6, 6, index),
        (5, 5, 5, nn.Edges(index, 9)),
    ):
        with pytest.raises(nn.LayerError, match=r"edges=5|atoms=9"):
            density(random(atoms, 4, 4), random(basis, 3), random(harmonics, 9), edges)
    joined = nn.ChannelTensorProduct(FEATURES, "0e+1o", "1o")
    with pytest.raises(nn.LayerError, match=r"atoms=9, dim=4, channels=4\], got \[5, 4, 4\]"):
        joined(random(5, 4, 4), random(5, 4), random(5, 2, 4), nn.Edges(index, 9))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("size", [0.0, 1.0, 1000.0])
@pytest.mark.parametrize(
    "make",
    [nn.NormActivation, nn.FieldLayerNorm, nn.FieldRMSNorm, lambda rep: nn.FieldBatchNorm(rep, dimension=0)],
)
def test_lengths_in_half_precision(make, size, dtype):
    layer = make(O3.irreps("2x1o+2x2e"))
    x = (size * torch.randn(6, 16, generator=torch.Generator().manual_seed(0))).to(dtype)
    expected, found = copy.deepcopy(layer)(x.float()), layer.to(dtype)(x)
    assert found.dtype == dtype
    assert torch.allclose(found.float(), expected, rtol=0.02, atol=0.02 * size)


def test_tables_keep_their_precision():
    product = nn.TensorProduct("4x0e+2x1o+1x2e", "1o", "1o", weight="given")
    x, y, w = (torch.randn(*s, dtype=torch.float64) for s in ((3, 15), (3, 3), (product.weight_numel,)))
    assert torch.equal(copy.deepcopy(product).float().double()(x, y, w), product(x, y, w))


def test_nothing_at_all():
    V = groups.so(3).defining()
    mlp = nn.FieldMLP(2 * V, 4 * groups.so(3).trivial() + 4 * V)
    assert mlp(torch.zeros(0, 6)).shape == (0, 6)
    assert nn.FieldMLP(2 * C4.regular(), C4.regular())(torch.zeros(0, 8, 3, 3)).shape == (0, 8, 3, 3)
    block = nn.PointTransformerBlock(O3, 2, O3.irreps("0e+1o"), radii=(0.0, 1.0))
    none = torch.zeros(2, 0, dtype=torch.long)
    assert block(torch.zeros(0, 8), positions=torch.zeros(0, 3), edge_index=none).shape == (0, 8)
    point, convergence = nn.fixed_point(torch.cos, torch.zeros(0, 3))
    assert (point.shape, convergence.converged) == ((0, 3), True)


def test_a_state_of_one_number(unchecked):
    point, _ = nn.fixed_point(torch.cos, torch.zeros(3), tolerance=1e-6)
    assert point.tolist() == pytest.approx([0.739085] * 3, abs=1e-5)
    for start, most in ((torch.zeros(3), 0), (torch.zeros(()), 9)):
        with pytest.raises(nn.LayerError, match="max_iterations from 1 up"):
            nn.fixed_point(torch.cos, start, max_iterations=most)


@pytest.mark.parametrize(
    "options", [{"radii": (2.0, 0.0, 1.0)}, {"radii": (1.0, 1.0)}, {"radii": (-1.0,)}, {"radii": (1.0,), "width": 0.0}]
)
def test_radii_rise(options):
    with pytest.raises(nn.LayerError, match="rising radii"):
        nn.PointConv(O3, 1, 1, O3.irreps("0e"), O3.irreps("0e"), **options)


def test_one_to_three_dimensions():
    with pytest.raises(nn.LayerError, match="1 to 3 dimensions"):
        nn.FieldTransformerBlock(C4, 1, dimension=4)


@pytest.mark.parametrize("rep", [4 * C4.regular(), C4.regular() + C4.irrep(1), O3.irreps("4x0e+4x1o")])
def test_products_start_with_second_moment_one(rep):
    torch.manual_seed(0)
    layer = nn.Bilinear(rep, rep, 16 * rep)
    x, y = torch.randn(2, 2000, rep.size)
    assert layer(x, y).square().mean().item() == pytest.approx(1.0, rel=0.15)
