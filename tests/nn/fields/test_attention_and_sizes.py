"""Attention against its formula, and layers that change the size of images, on every size."""

import warnings

import pytest
import torch

from equishare import groups, nn

C4, D4, SO2, O3 = groups.cyclic(4), groups.dihedral(4), groups.so2(), groups.o3()


def test_positions_may_be_permuted_and_groups_turn():
    layer = nn.FieldAttention(4, D4.regular(), heads=2).double()
    x, order = torch.randn(2, 32, 12, dtype=torch.float64), torch.randperm(12)
    torch.testing.assert_close(layer(x[..., order]), layer(x)[..., order])


def test_attention_of_invariants_is_torchs():
    """With scalars alone and as many heads it is multi-head attention with the same weights."""
    layer = nn.FieldAttention(8, C4.trivial(), heads=2).double()
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True).double()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([p.full_weight() for p in (layer.query, layer.key, layer.value)]))
        theirs.in_proj_bias.zero_()
        theirs.out_proj.weight.copy_(layer.out.full_weight())
        theirs.out_proj.bias.copy_(layer.out.full_bias())
    x = torch.randn(3, 8, 5, dtype=torch.float64)
    points = x.mT
    torch.testing.assert_close(layer(x), theirs(points, points, points, need_weights=False)[0].mT)


def test_weights_of_neighbours_are_a_softmax():
    layer = nn.PointAttention(O3, 4, O3.irreps("0e+1o"), heads=2, radii=(0.0, 1.0)).double()
    x, places = torch.randn(5, 16, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    index = torch.tensor([[0, 1, 2, 3, 3], [4, 4, 4, 1, 0]])
    functions = layer.values.functions(x, places, index)
    weights = layer._weights(x, functions, index)
    torch.testing.assert_close(weights[:3].sum(0), torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(weights[3:], torch.ones(2, 2, dtype=torch.float64))
    query, key, place = (part(x).unflatten(1, (2, -1)) for part in (layer.query, layer.key, layer.place))
    logits = torch.stack(
        [
            (query[4] * key[j]).sum(1) / 8**0.5 + (place[4] * functions[j]).sum(1) / functions.shape[1] ** 0.5
            for j in range(3)
        ]
    )
    torch.testing.assert_close(weights[:3], logits.softmax(0))
    out = layer(x, positions=places, edge_index=index)
    bias = layer.values.bias_pattern.expand(layer.values.bias).reshape(-1)
    torch.testing.assert_close(out[2], bias)  # without neighbours


@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("reduce", ["mean", "max"])
def test_the_antialiased_pool_is_symmetric_on_every_size(stride, reduce):
    pool = nn.AntialiasedPool(D4.regular(), stride, reduce=reduce)
    for n in range(1, 14):
        x = torch.randn(1, 8, n, n + 1, dtype=torch.float64)
        out = pool(x)
        assert out.shape[2:] == (-(-n // stride), -(-(n + 1) // stride))
        torch.testing.assert_close(pool(x.flip(3)), out.flip(3))
        torch.testing.assert_close(pool(x.rot90(1, (2, 3))), out.rot90(1, (2, 3)))
        torch.testing.assert_close(pool(torch.ones_like(x)), torch.ones_like(out))  # borders are no darker


def test_the_antialiased_pool_folds_little_over():
    """A pattern of the shortest wavelength would become a constant of full size."""
    stripes = torch.tensor([1.0, -1.0]).repeat(16).expand(1, 1, 32, 32).contiguous()
    assert float(nn.AntialiasedPool(C4.trivial())(stripes)[..., 4:-4, 4:-4].abs().max()) < 0.1


@pytest.mark.parametrize("size", [6, 7, 9])
def test_a_u_net_keeps_size_and_symmetry(size):
    net = nn.UNet(D4, D4.trivial(), D4.defining(), widths=(2, 3, 3)).double().eval()
    x = torch.randn(1, 1, size, size, dtype=torch.float64)
    vectors = net(x)
    turned = net(x.rot90(1, (2, 3)))
    expected = torch.stack([-vectors[0, 1], vectors[0, 0]])[None].rot90(1, (2, 3))
    torch.testing.assert_close(turned, expected)


def test_a_u_net_of_continuous_turns():
    net = nn.UNet(SO2, SO2.trivial(), SO2.irrep(1), widths=(2, 2), field=SO2.trivial() + SO2.irrep(1)).double().eval()
    x = torch.randn(1, 1, 7, 7, dtype=torch.float64)
    expected = net(x).rot90(1, (2, 3))
    torch.testing.assert_close(net(x.rot90(1, (2, 3))), torch.stack([-expected[0, 1], expected[0, 0]])[None])


@pytest.mark.usefixtures("unchecked")
def test_a_refused_stride_names_what_works():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nn.SymmetryWarning)
        layer = nn.GroupConv2d(C4, 1, 1, 3, stride=2, lifting=True)
    with pytest.raises(nn.EquivarianceError, match=r"kernel_size=4 with padding=1.*65 or 63"):
        layer(torch.zeros(1, 1, 64, 64))
    for make, message in (
        (lambda: nn.GroupConvTranspose2d(C4, 1, 1, 3, padding_mode="circular"), "zeros"),
        (lambda: nn.AntialiasedPool(C4.defining(), reduce="max"), "permuted"),
        (lambda: nn.AntialiasedPool(C4.regular(), 0), "stride: a whole number from 1 up"),
        (lambda: nn.AdaptivePool(C4.regular(), 0), "size: a whole number from 1 up"),
        (lambda: nn.UNet(C4, C4.trivial(), C4.trivial(), widths=()), "one width or more"),
        (lambda: nn.UNet(SO2, SO2.trivial(), SO2.trivial()), "no regular"),
        (lambda: nn.FieldAttention(3, C4.regular(), 2), "divide"),
        (lambda: nn.FieldAttention(2, groups.lorentz().defining()), "lengths"),
        (lambda: nn.PointAttention(O3, 3, O3.irreps("1o"), heads=2, radii=(1.0,)), "divide"),
    ):
        with pytest.raises(nn.LayerError, match=message):
            make()
