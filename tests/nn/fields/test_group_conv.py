import warnings

import pytest
import torch
from scipy import ndimage
from torch import nn as torch_nn

from equishare import groups, nn, sharing

C4, C8, D4 = groups.cyclic(4), groups.cyclic(8), groups.dihedral(4)


def test_names_of_the_readme():
    G = groups.dihedral(4)
    rep = 3 * G.regular() + G.trivial()
    pattern = sharing.solve(rep, G.regular())
    assert pattern.shape == (8, 25)
    assert pattern.expand(torch.zeros(pattern.n_free)).shape == pattern.shape
    assert nn.SharedLinear(rep, G.regular())(torch.zeros(2, 25)).shape == (2, 8)
    conv = nn.GroupConv2d(G, in_fields=3, out_fields=16, kernel_size=3, lifting=True)
    x = torch.randn(2, 3, 9, 11)
    plain = conv.to_torch()
    assert conv(x).shape == (2, 16 * 8, 9, 11)
    assert type(plain) is torch_nn.Conv2d
    assert torch.allclose(plain(x), conv(x), atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("family", [groups.cyclic, groups.dihedral])
def test_lattice_groups_are_exact(family, n):
    assert nn.GroupConv2d(family(n), 1, 1, 3).exact


@pytest.mark.parametrize("G", [groups.cyclic(3), C8, groups.dihedral(6)], ids=repr)
def test_other_angles_are_declared_inexact(G):
    assert not nn.GroupConv2d(G, 1, 1, 3).exact
    assert nn.GroupConv2d(G, 1, 1, 1).exact


def test_weights_are_counted():
    conv = nn.GroupConv2d(D4, 2, 3, 3)
    assert conv.weight.numel() == 3 * 2 * 8 * 9
    assert conv.bias.numel() == 3
    assert {k: v.numel() for k, v in conv.state_dict().items()} == {"weight": 432, "bias": 3}
    report = sharing.report(conv)
    assert report.untied == 24 * 16 * 9 + 24
    local = sharing.report(conv, torch.zeros(1, 16, 5, 5))
    assert local.untied == 25 * report.untied


def test_state_is_the_same_in_training_and_evaluation():
    model = nn.Sequential(nn.GroupConv2d(C8, 1, 4, 5, lifting=True), torch_nn.ReLU(), nn.GroupConv2d(C8, 4, 4, 5))
    before = {k: v.clone() for k, v in model.train().state_dict().items()}
    model.eval()(torch.randn(1, 1, 8, 8))
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_gradient_reaches_base_weights_as_the_sum_over_uses():
    conv = nn.GroupConv2d(C4, 1, 2, 3).double()
    x = torch.randn(1, 4, 5, 5, dtype=torch.float64)
    plain = conv.to_torch()
    conv(x).square().sum().backward()
    plain(x).square().sum().backward()
    full = plain.weight.grad.reshape(2, 4, 1, 4, 3, 3).transpose(1, 2).reshape(2, 1, -1)
    assert torch.allclose(conv.weight.grad, full @ conv.pattern.as_matrix())


# ---- the law under strides and borders


def test_even_kernel_with_same_padding_is_refused_at_construction():
    with pytest.raises(nn.EquivarianceError, match="even kernel"):
        nn.GroupConv2d(C4, 1, 1, 4)


def test_fields_of_another_group_are_refused():
    with pytest.raises(nn.EquivarianceError, match=r"field_in: a representation of C8 expected, got regular\(C4\)"):
        nn.GroupConv2d(C8, 1, 1, 3, field_in=groups.cyclic(4).regular())


def test_stride_warns_at_construction_and_bad_sizes_raise():
    with pytest.warns(nn.SymmetryWarning, match="n = 1 modulo 2"):
        conv = nn.GroupConv2d(C4, 1, 1, 3, stride=2)
    conv(torch.zeros(1, 4, 7, 7))
    with pytest.raises(nn.EquivarianceError, match="off centre"):
        conv(torch.zeros(1, 4, 8, 8))
    with pytest.warns(nn.SymmetryWarning, match="n = 0 modulo 2"):
        even = nn.GroupConv2d(C4, 1, 1, 4, stride=2, padding=1)
    even(torch.zeros(1, 4, 8, 8))


def test_off_centre_reading_would_break_the_law():
    """What the error guards against: the same plain convolution on an even size is not equivariant."""
    with pytest.warns(nn.SymmetryWarning):
        conv = nn.GroupConv2d(C4, 1, 1, 3, stride=2, lifting=True, field_out=C4.trivial())
    plain = conv.to_torch()
    good, bad = torch.randn(1, 1, 7, 7), torch.randn(1, 1, 8, 8)

    def error(x):
        return float((plain(torch.rot90(x, 1, (2, 3))) - torch.rot90(plain(x), 1, (2, 3))).detach().abs().max())

    assert error(good) < 1e-5
    assert error(bad) > 1e-2


def test_no_warning_without_stride_or_group():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.GroupConv2d(C4, 1, 1, 3)
        nn.GroupConv2d(groups.cyclic(1), 1, 1, 3, stride=2)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: nn.GroupConv2d(C8, 1, 1, (3, 5)), nn.EquivarianceError, "square and cubic"),
        (lambda: nn.GroupConv2d(C4, 1, 1, (3, 5)), groups.GroupError, "grid to itself"),
        (lambda: nn.GroupConv3d(C4, 1, 1, 3), groups.GroupError, "2 dimensions"),
        (lambda: nn.GroupConv3d(groups.icosahedral(), 1, 1, (3, 3, 5)), nn.EquivarianceError, "cubic"),
        (lambda: nn.GroupConv2d(C4, 3, 2, 3, groups=2), nn.EquivarianceError, "must divide"),
        (
            lambda: nn.GroupConv2d(C4, 1, 1, 3, lifting=True, field_in=C4.regular()),
            nn.EquivarianceError,
            "one of",
        ),
        (lambda: nn.GroupConv2d(C4, 1, 1, 3, padding="valid"), nn.LayerError, "padding"),
        (lambda: nn.GroupConv2d(C4, 1, 1, 3, padding_mode="mirror"), nn.LayerError, "padding_mode"),
        (lambda: nn.GroupConv2d(C4, 1, 1, (3, 3, 3)), nn.LayerError, "2 whole numbers"),
        (lambda: nn.GroupConv2d(C4, 1, 1, 3)(torch.zeros(1, 3, 5, 5)), nn.LayerError, "expected"),
        (lambda: nn.GroupConv2d(C4, 1, 1, 3)(torch.zeros(4, 5, 5)), nn.LayerError, "expected"),
        (
            lambda: nn.SharedLinear(C4.regular(), C4.regular())(torch.zeros(3)),
            nn.LayerError,
            "expected",
        ),
        (lambda: nn.FieldBatchNorm(groups.lorentz().defining(), dimension=0), nn.EquivarianceError, "keep lengths"),
        (lambda: nn.GroupPool(C4.defining()), nn.EquivarianceError, "norm"),
        (lambda: nn.GroupPool(C4.regular(), "sum"), nn.EquivarianceError, "max, mean or norm"),
        (lambda: nn.SpatialPool(C4.defining(), 1), nn.EquivarianceError, "permuted"),
        (lambda: nn.SpatialPool(groups.o3().irreps("1o"), 1, reduce="mean"), nn.EquivarianceError, "finite"),
        (lambda: nn.SpatialPool(C4.regular(), 1, reduce="sum"), nn.EquivarianceError, "max or mean"),
        (lambda: nn.PointwiseActivation(C4.defining(), torch_nn.ReLU()), nn.EquivarianceError, "odd"),
        (
            lambda: nn.PointwiseActivation(C8.defining(), torch_nn.Tanh()),
            nn.EquivarianceError,
            "NormActivation",
        ),
        (lambda: nn.PointwiseActivation(C4.regular(), torch_nn.Softmax()), nn.EquivarianceError, "entrywise"),
        (lambda: nn.FieldDropout(C4.regular(), 1.0), nn.EquivarianceError, "probability"),
        (lambda: nn.GroupConv2d(4, 1, 1, 3), nn.EquivarianceError, "finite group"),
        (lambda: nn.GroupConv2d(groups.so2(), 1, 1, 3), nn.EquivarianceError, "give field_in"),
        (lambda: nn.SeparableGroupConv2d(groups.o2(), 1, 1, 3), nn.EquivarianceError, "finite group"),
        (lambda: nn.GroupConv2d(C4, 1, 1, 0), nn.LayerError, "kernel_size"),
        (lambda: nn.GroupConv2d(C4, 1, 1, 3, stride=0), nn.LayerError, "stride"),
        (lambda: nn.GroupConv2d(C4, 1, 1, 3, dilation=0), nn.LayerError, "dilation"),
        (lambda: nn.GroupConv2d(C4, 1, 1, 3, padding=-1), nn.LayerError, "padding"),
        (lambda: nn.GroupConv2d(C4, 1, 1, 3, field_in="regular"), groups.GroupError, "representation"),
        (lambda: nn.SharedLinear(8, 8), groups.GroupError, "representation"),
        (lambda: nn.GroupPool(C4), groups.GroupError, "representation"),
        (lambda: nn.Sequential(), nn.EquivarianceError, "at least one layer"),
        (
            lambda: nn.Sequential(nn.GroupConv2d(C4, 1, 2, 3), nn.GroupConv2d(C4, 3, 1, 3)),
            nn.EquivarianceError,
            "takes 3",
        ),
        (
            lambda: nn.Sequential(nn.GroupConv2d(C4, 1, 2, 3), torch_nn.Conv2d(8, 8, 3)),
            nn.EquivarianceError,
            "no representations",
        ),
    ],
)
def test_errors_say_what_is_wrong(build, error, message):
    with pytest.raises(error, match=message):
        build()


# ---- starting values


def _growth(layer, x, layers=20, draws=8):
    """log2 of the mean growth of the second moment in each layer, over its draws, summed over layers.

    Means are over draws since in narrow nets the product of single draws is log-normal: its typical value
    falls with depth for every independent initialisation, although its mean is kept.
    """
    total = 0.0
    for _ in range(layers):
        outputs = []
        for _ in range(draws):
            layer.reset_parameters()
            outputs.append(torch.relu(layer(x)))
        total += float(torch.stack([y.square().mean() for y in outputs]).mean().div(x.square().mean()).log2())
        x = outputs[0] / outputs[0].square().mean().sqrt()
    return total


@pytest.mark.parametrize("kind", ["C4", "C8", "separable", "SharedLinear", "DeepSets", "cube"])
def test_variance_is_kept_through_twenty_layers(kind):
    S = groups.symmetric(12).permutation()
    make = {
        "C4": lambda: nn.GroupConv2d(C4, 12, 12, 3, padding_mode="circular"),
        "C8": lambda: nn.GroupConv2d(C8, 8, 8, 5, padding_mode="circular"),
        "separable": lambda: nn.SeparableGroupConv2d(C4, 12, 12, 3, padding_mode="circular"),
        "SharedLinear": lambda: nn.SharedLinear(16 * D4.regular(), 16 * D4.regular()),
        "DeepSets": lambda: nn.SharedLinear(32 * S, 32 * S),
        "cube": lambda: nn.GroupConv3d(groups.octahedral(), 6, 6, 3, padding_mode="circular"),
    }[kind]
    space = {"SharedLinear": (), "DeepSets": (), "cube": (2, 2, 2)}.get(kind, (6, 6))
    with torch.no_grad():
        layer = make()
        growth = _growth(layer, torch.randn(4, layer.in_channels, *space))
    assert abs(growth) < 4.0  # a factor of 16 in 20 layers is 15 % a layer


def test_plain_default_would_not_keep_it():
    with torch.no_grad():
        plain = torch_nn.Conv2d(48, 48, 3, padding=1, padding_mode="circular")
        growth = _growth(plain, torch.randn(4, 48, 6, 6))
        assert growth < -10


# ---- the error of band-limited filters


def _turned(x, degrees):
    """Each channel turned counter-clockwise about the centre by cubic interpolation."""
    return torch.from_numpy(ndimage.rotate(x.numpy(), degrees, axes=(3, 2), reshape=False, order=5, mode="constant"))


def _steerable_error(conv, size=41):
    G = conv.group
    x = torch.randn(2, conv.rep_in.size, size, size, dtype=torch.float64)
    x = torch.from_numpy(ndimage.gaussian_filter(x.numpy(), (0, 0, 1.5, 1.5)))  # images of scale 1.5 pixels
    g = G.generators[0]
    rho_in, rho_out = conv.rep_in(g), conv.rep_out(g)
    with torch.no_grad():
        got = conv(_turned(torch.einsum("dc,bcij->bdij", rho_in, x), 360 / G.degree))
        expected = _turned(torch.einsum("dc,bcij->bdij", rho_out, conv(x)), 360 / G.degree)
    grid = torch.cartesian_prod(*[torch.arange(size) - size // 2] * 2).double().norm(dim=1).reshape(size, size)
    inside = grid < size / 2 - 8
    return float(((got - expected)[..., inside]).norm() / expected[..., inside].norm())


@pytest.mark.parametrize(
    ("G", "kernel", "bound"), [(C8, 5, 0.05), (C8, 3, 0.05), (groups.cyclic(3), 5, 0.05)], ids=repr
)
@pytest.mark.parametrize("lifting", [True, False])
def test_band_limited_filters_turn_with_small_error(G, kernel, bound, lifting):
    conv = nn.GroupConv2d(G, 2, 2, kernel, lifting=lifting).double()
    assert _steerable_error(conv) < bound


def test_unshared_filters_do_not_turn():
    """The measure can fail: filters that are not turned copies have an error of about one."""
    conv = nn.GroupConv2d(C8, 2, 2, 5, lifting=True).double()
    noise = torch.randn_like(conv.full_weight())
    conv.full_weight = lambda: noise
    assert _steerable_error(conv) > 0.5


def test_turning_an_image_follows_the_convention_of_grids():
    x = torch.randn(1, 1, 9, 9, dtype=torch.float64)
    assert torch.allclose(_turned(x, 90), torch.rot90(x, 1, (2, 3)), atol=1e-9)


@pytest.mark.usefixtures("unchecked")
def test_a_refused_stride_names_what_works():
    """Each way that the message of 3 x 3 filters with stride 2 on 64 pixels names does work."""

    def make(size, kernel, padding):
        conv = nn.GroupConv2d(D4, 1, 2, kernel, lifting=True, stride=2, padding=padding)
        return conv(torch.zeros(1, 1, size, size))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nn.SymmetryWarning)
        with pytest.raises(
            nn.EquivarianceError,
            match="kernel_size=4 with padding=1, or kernel_size=2 with padding=0; or pad or crop the input to 65 or 63",
        ):
            make(64, 3, 1)
        assert make(64, 4, 1).shape[2:] == make(64, 2, 0).shape[2:] == (32, 32)
        assert make(65, 3, 1).shape[2:] == (33, 33)
        assert make(63, 3, 1).shape[2:] == (32, 32)


def test_batch_norm_of_vectors_takes_their_mean_square_to_one():
    rep = 2 * D4.defining() + D4.regular()
    norm = nn.FieldBatchNorm(rep)
    x = 5 * torch.randn(20, rep.size, 6, 6) + 1
    for _ in range(60):
        out = norm(x)
    assert torch.allclose(out[:, :4].square().mean(), torch.tensor(1.0), atol=1e-3)
    assert torch.allclose(norm.eval()(x), out, atol=0.05)
    assert torch.allclose(norm.to_torch()(x), norm(x), atol=1e-5)
