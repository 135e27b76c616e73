"""f(g x) = g f(x) for every layer of finite groups and O(3) representations, over random elements."""

import warnings
from functools import partial

import pytest
import torch
from torch import nn as torch_nn

from equishare import groups, nn
from equishare.groups.lattice import grid_coordinates, space_matrix

C1, C2, C4, C8, D1, D2, D4 = (
    groups.cyclic(1),
    groups.cyclic(2),
    groups.cyclic(4),
    groups.cyclic(8),
    groups.dihedral(1),
    groups.dihedral(2),
    groups.dihedral(4),
)
O3 = groups.o3()
CUBE, CUBE_FULL = groups.octahedral(), groups.octahedral(full=True)
DNA = C2.action([(3, 2, 1, 0)])
MIRROR = D4.subgroup(D4.generators[1])
S5 = groups.symmetric(5)
SKEW = torch.tensor([[1.0, 0.5], [0.0, 1.0]], dtype=torch.float64)
OBLIQUE = D4.representation([SKEW @ D4.defining()(g) @ SKEW.inverse() for g in D4.generators])

# layer -> list of (constructor, sizes of space)
CASES = {
    "SharedLinear": [
        (partial(nn.SharedLinear, 3 * D4.regular() + D4.trivial(), D4.regular()), ()),
        (partial(nn.SharedLinear, S5.permutation() * S5.permutation(), 2 * S5.permutation()), ()),
        (partial(nn.SharedLinear, D4.sign() + D4.defining(), 2 * D4.defining() + D4.regular()), ()),
        (partial(nn.SharedLinear, OBLIQUE, OBLIQUE.dual() + D4.trivial()), ()),
        (partial(nn.SharedLinear, O3.irreps("3x0e+2x1o+1x2e"), O3.irreps("2x0e+2x1o+1e+2e")), ()),
        (partial(nn.SharedLinear, O3.irreps("1o") * O3.irreps("1o"), O3.irreps("0e+1e+2e")), ()),
        (partial(nn.SharedLinear, CUBE.defining(), CUBE.regular(), bias=False), ()),
    ],
    "GroupConv1d": [
        (partial(nn.GroupConv1d, C2, 2, 3, 5), (11,)),
        (partial(nn.GroupConv1d, C2, 1, 3, 4, field_in=DNA, padding=0), (12,)),
        (partial(nn.GroupConv1d, D1, 2, 2, 3, lifting=True, dilation=2, padding_mode="circular"), (9,)),
        (partial(nn.GroupConv1d, C2, 2, 4, 3, field_out=DNA, stride=2), (9,)),
        (partial(nn.GroupConv1d, C1, 2, 2, 4, padding=1), (9,)),
    ],
    "GroupConv2d": [
        (partial(nn.GroupConv2d, C4, 2, 3, 3, lifting=True), (6, 7)),
        (partial(nn.GroupConv2d, C4, 2, 3, 3), (7, 7)),
        (partial(nn.GroupConv2d, D4, 2, 2, 5, padding_mode="reflect"), (8, 8)),
        (partial(nn.GroupConv2d, D4, 2, 2, 3, padding_mode="circular"), (6, 6)),
        (partial(nn.GroupConv2d, D4, 1, 2, 2, padding=0), (6, 6)),
        (partial(nn.GroupConv2d, D4, 2, 4, 3, groups=2, stride=2), (7, 9)),
        (partial(nn.GroupConv2d, C2, 2, 2, (3, 5), dilation=2, padding_mode="replicate"), (7, 9)),
        (partial(nn.GroupConv2d, D2, 2, 2, (1, 3)), (4, 6)),
        (partial(nn.GroupConv2d, D1, 2, 2, 3), (5, 6)),
        (partial(nn.GroupConv2d, D4, 2, 3, 3, field_out=D4.quotient(MIRROR)), (6, 6)),
        (partial(nn.GroupConv2d, D4, 2, 3, 3, field_out=D4.trivial()), (6, 6)),
        (partial(nn.GroupConv2d, D4, 2, 3, 3, field_in=D4.defining(), field_out=D4.sign()), (6, 6)),
        (partial(nn.GroupConv2d, C8, 2, 3, 1), (1, 1)),
    ],
    "GroupConv3d": [
        (partial(nn.GroupConv3d, CUBE, 2, 1, 3, lifting=True), (4, 4, 4)),
        (partial(nn.GroupConv3d, CUBE, 1, 1, 3, stride=2), (5, 5, 5)),
        (partial(nn.GroupConv3d, CUBE_FULL, 1, 1, 2, padding=0), (3, 3, 3)),
        (partial(nn.GroupConv3d, CUBE, 1, 2, 3, field_out=CUBE.trivial()), (3, 3, 3)),
        (
            partial(nn.GroupConv3d, CUBE, 1, 2, 3, field_in=CUBE.defining(), field_out=CUBE.defining()),
            (3, 3, 3),
        ),
    ],
    "SeparableGroupConv1d": [(partial(nn.SeparableGroupConv1d, C2, 2, 3, 5), (9,))],
    "SeparableGroupConv2d": [
        (partial(nn.SeparableGroupConv2d, D4, 2, 3, 3), (6, 6)),
        (partial(nn.SeparableGroupConv2d, C4, 2, 3, 5, stride=2, padding_mode="circular"), (7, 7)),
    ],
    "SeparableGroupConv3d": [(partial(nn.SeparableGroupConv3d, CUBE, 1, 2, 3), (3, 3, 3))],
    "FieldBatchNorm": [
        (partial(nn.FieldBatchNorm, 3 * D4.regular()), (4, 4)),
        (partial(nn.FieldBatchNorm, 2 * D4.trivial() + 3 * D4.quotient(MIRROR), dimension=2), (4, 4)),
        (partial(nn.FieldBatchNorm, 2 * S5.permutation(), dimension=0), ()),
        (partial(nn.FieldBatchNorm, 2 * D4.defining() + 3 * D4.sign() + D4.regular()), (4, 4)),
        (partial(nn.FieldBatchNorm, O3.irreps("2x0e+2x1o+0o"), dimension=0), ()),
    ],
    "FieldRMSNorm": [
        (partial(nn.FieldRMSNorm, O3.irreps("2x0e+2x1o+1x2e")), ()),
        (partial(nn.FieldRMSNorm, 2 * D4.regular() + D4.sign()), (3, 3)),
    ],
    "FieldUpsample": [
        (partial(nn.FieldUpsample, 2 * D4.regular(), 2), (4, 4)),
        (partial(nn.FieldUpsample, D4.defining(), 3, "nearest"), (5, 5)),
        (partial(nn.FieldUpsample, C2.regular(), 2, dimension=1), (5,)),
        (partial(nn.FieldUpsample, CUBE.defining(), 2, dimension=3), (3, 3, 3)),
    ],
    "GroupConvTranspose1d": [(partial(nn.GroupConvTranspose1d, C2, 2, 3, 4, stride=2, padding=1), (6,))],
    "GroupConvTranspose2d": [
        (partial(nn.GroupConvTranspose2d, D4, 2, 2, 4, stride=2, padding=1), (4, 4)),
        (partial(nn.GroupConvTranspose2d, C4, 2, 4, 3, stride=2, groups=2, field_out=C4.regular()), (5, 6)),
        (partial(nn.GroupConvTranspose2d, D4, 1, 2, 3, stride=3, field_in=D4.defining(), field_out=D4.sign()), (3, 3)),
    ],
    "GroupConvTranspose3d": [
        (partial(nn.GroupConvTranspose3d, CUBE, 1, 1, 2, stride=2, padding=0, field_out=CUBE.defining()), (2, 2, 2))
    ],
    "AdaptivePool": [
        (partial(nn.AdaptivePool, 2 * D4.regular(), 3, "max"), (7, 7)),
        (partial(nn.AdaptivePool, D4.defining() + D4.trivial(), 4), (6, 5)),
        (partial(nn.AdaptivePool, C2.regular(), 2, dimension=1), (5,)),
    ],
    "AntialiasedPool": [
        (partial(nn.AntialiasedPool, 2 * D4.regular()), (8, 8)),
        (partial(nn.AntialiasedPool, D4.defining() + D4.trivial()), (7, 9)),
        (partial(nn.AntialiasedPool, 2 * D4.regular(), 3, reduce="max"), (10, 10)),
        (partial(nn.AntialiasedPool, C2.regular(), dimension=1), (6,)),
        (partial(nn.AntialiasedPool, CUBE.defining(), 2, 0.8, dimension=3), (4, 4, 4)),
    ],
    "UNetBlock": [(lambda: nn.UNetBlock(2 * D4.regular(), nn.GroupConv2d(D4, 2, 1, 3)), (7, 7))],
    "UNet": [
        (partial(nn.UNet, D4, 2 * D4.trivial(), D4.defining(), widths=(2, 3)), (6, 6)),
        (
            partial(nn.UNet, D4, D4.trivial(), D4.trivial(), widths=(2, 2, 2), field=D4.trivial() + D4.defining()),
            (7, 7),
        ),
    ],
    "FieldAttention": [
        (partial(nn.FieldAttention, 4, D4.regular(), 2), (4, 4)),
        (partial(nn.FieldAttention, 2, D4.defining() + D4.trivial()), (3, 5)),
        (partial(nn.FieldAttention, 2, O3.irreps("2x0e+1o")), ()),
    ],
    "FieldMLP": [
        (partial(nn.FieldMLP, 2 * D4.regular(), 3 * D4.trivial() + D4.regular()), (3, 3)),
        (partial(nn.FieldMLP, O3.irreps("2x0e+1o"), O3.irreps("4x0e+3x1o+1e")), ()),
    ],
    "FieldTransformerBlock": [
        (partial(nn.FieldTransformerBlock, D4, 2, heads=2), (5, 5)),
        (partial(nn.FieldTransformerBlock, C4, 2, C4.trivial() + C4.defining()), (4, 4)),
        (partial(nn.FieldTransformerBlock, C2, 2, dimension=1), (6,)),
    ],
    "FieldLayerNorm": [
        (partial(nn.FieldLayerNorm, 2 * D4.regular() + 3 * D4.defining() + D4.sign() + D4.trivial()), (3, 3)),
        (partial(nn.FieldLayerNorm, O3.irreps("2x1o+3x0e+2e")), ()),
    ],
    "FourierActivation": [  # finite groups, where it is exact; for others see test_nonlinearities
        (partial(nn.FourierActivation, D4, 2), (3, 3)),
        (partial(nn.FourierActivation, D4, 3, space=MIRROR, function=torch_nn.ReLU()), (3, 3)),
    ],
    "VectorFieldActivation": [
        (partial(nn.VectorFieldActivation, 2, D4.regular()), (4, 4)),
        (partial(nn.VectorFieldActivation, 2, D4.quotient(MIRROR)), (4, 4)),
        (partial(nn.VectorFieldActivation, 1, CUBE.regular()), (3, 3, 3)),
    ],
    "TensorProductActivation": [
        (partial(nn.TensorProductActivation, 3, O3.irreps("0e+1o+2e")), ()),
        (partial(nn.TensorProductActivation, 2, D4.trivial() + D4.defining()), (3, 3)),
        (partial(nn.TensorProductActivation, 2, OBLIQUE + D4.trivial()), (3, 3)),
    ],
    "GlobalPool": [
        (partial(nn.GlobalPool, 2 * D4.regular(), "max"), (4, 4)),
        (partial(nn.GlobalPool, D4.defining() + D4.trivial()), (5, 5)),
    ],
    "GroupPool": [
        (partial(nn.GroupPool, 3 * D4.regular()), (4, 4)),
        (partial(nn.GroupPool, 3 * C2.regular() + C2.trivial(), "mean", dimension=1), (4,)),
        (partial(nn.GroupPool, O3.irreps("2x0e+2x1o"), "norm", dimension=0), ()),
        (partial(nn.GroupPool, 2 * CUBE.regular(), dimension=3), (3, 3, 3)),
    ],
    "SpatialPool": [
        (partial(nn.SpatialPool, 2 * D4.regular(), 2), (6, 6)),
        (partial(nn.SpatialPool, 2 * D4.defining(), 3, 2, 1, "mean"), (7, 7)),
        (partial(nn.SpatialPool, 2 * C2.regular(), 2, dimension=1), (6,)),
        (partial(nn.SpatialPool, CUBE.regular(), 2, 1, dimension=3), (3, 3, 3)),
    ],
    "PointwiseActivation": [
        (partial(nn.PointwiseActivation, 2 * D4.regular(), torch_nn.ReLU()), (4, 4)),
        (partial(nn.PointwiseActivation, D4.sign() + D4.defining(), torch_nn.Tanh()), (4, 4)),
    ],
    "NormActivation": [
        (partial(nn.NormActivation, O3.irreps("2x0e+2x1o+2e")), ()),
        (partial(nn.NormActivation, 2 * D4.defining() + D4.sign()), (4, 4)),
        (partial(nn.NormActivation, 2 * D4.defining(), torch_nn.Softplus()), (4, 4)),
    ],
    "FieldDropout": [(partial(nn.FieldDropout, 3 * D4.regular() + D4.defining(), 0.4), (4, 4))],
    "Sequential": [
        (
            lambda: nn.Sequential(
                nn.GroupConv2d(D4, 1, 4, 3, lifting=True),
                nn.FieldBatchNorm(4 * D4.regular()),
                torch_nn.ReLU(),
                nn.FieldDropout(4 * D4.regular(), 0.3),
                nn.SpatialPool(4 * D4.regular(), 2),
                nn.SeparableGroupConv2d(D4, 4, 2, 3),
                torch_nn.GELU(),
                nn.GroupPool(2 * D4.regular()),
            ),
            (6, 6),
        )
    ],
}

LAYERS = {name for name, cases in CASES.items() if cases}


def act(rep, g, x):
    """g on channels and, about the centre, on positions."""
    y = torch.einsum("dc,bc...->bd...", rep(g).to(x), x)
    if x.ndim == 2:
        return y
    shape = tuple(x.shape[2:])
    points = grid_coordinates(shape)
    matrix = space_matrix(rep.group, g, len(shape))
    moved = points @ matrix.mT
    if len(shape) == 2:
        moved = torch.stack([-moved[:, 1], moved[:, 0]], dim=1)
    cells = (moved - moved.min(0).values).round().long()
    new_shape = tuple((cells.max(0).values + 1).tolist())  # a quarter turn swaps the sides
    out = y.new_empty(*y.shape[:2], *new_shape)
    out[(slice(None), slice(None), *cells.T)] = y.reshape(*y.shape[:2], -1)
    return out


TABLE = [(name, k) for name, cases in CASES.items() for k in range(len(cases))]


def build(name, k):
    constructor, space = CASES[name][k]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nn.SymmetryWarning)
        layer = constructor()
    with torch.no_grad():
        for p in layer.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return layer, space


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-12)], ids=str)
@pytest.mark.parametrize(("name", "k"), TABLE)
def test_commutes_with_the_group(name, k, dtype, tolerance, training):
    layer, space = build(name, k)
    layer = layer.to(dtype).train(training)
    x = torch.randn(4, layer.rep_in.size, *space, dtype=dtype)
    G = layer.rep_in.group
    elements = [G.random() for _ in range(5)] + list(G.generators)
    state = {k: v.clone() for k, v in layer.state_dict().items()}
    for g in elements:
        if space and max(space) != min(space) and not fits(layer, g, space):
            continue
        torch.manual_seed(1)
        expected = act(layer.rep_out, g, layer(x)).detach()
        layer.load_state_dict(state)  # batch statistics as before
        torch.manual_seed(1)
        got = layer(act(layer.rep_in, g, x)).detach()
        layer.load_state_dict(state)
        assert got.shape == expected.shape
        assert float((got - expected).abs().max()) <= tolerance * max(1.0, float(expected.abs().max()))


def fits(layer, g, space):
    """Whether the layer takes the turned image: kernels and strides that differ by axis do not."""
    kernel = getattr(getattr(layer, "convolution", None), "kernel_size", (1,))
    turned = act(layer.rep_in, g, torch.zeros(1, layer.rep_in.size, *space, dtype=torch.float64)).shape[2:]
    return len(set(kernel)) == 1 or tuple(turned) == tuple(space)


@pytest.mark.parametrize(("name", "k"), TABLE)
def test_a_layer_with_untied_weights_is_seen(name, k):
    """The test can fail: noise on the frozen layer's full weights breaks the law by about the noise."""
    layer, space = build(name, k)
    G = layer.rep_in.group
    plain = layer.double().eval().to_torch()
    modules = [m for m in plain.modules() if type(m).__module__.startswith("torch.nn")]  # others hold base weights
    weights = [p for m in modules for p in m.parameters(recurse=False) if p.ndim > 1]
    if G == C1 or len(set(space)) > 1 or not weights or space == (1, 1):
        return
    with torch.no_grad():
        for p in weights:
            p.add_(0.1 * torch.randn_like(p))
    x = torch.randn(3, layer.rep_in.size, *space, dtype=torch.float64)
    errors = [
        float((plain(act(layer.rep_in, g, x)) - act(layer.rep_out, g, plain(x))).detach().abs().max())
        for g in G.generators
    ]
    assert max(errors) > 1e-3


def test_the_tables_act_is_torchs_rotation():
    x = torch.randn(1, 2, 5, 5)
    g = C4.generators[0]
    assert torch.equal(act(2 * C4.trivial(), g, x), torch.rot90(x, 1, (2, 3)))
    flip = D4.generators[1]
    assert torch.equal(act(2 * D4.trivial(), flip, x), x.flip(2))
    assert torch.equal(act(2 * C2.trivial(), C2.generators[0], x[..., 0]), x[..., 0].flip(2))
