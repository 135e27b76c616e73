"""Tensor products of any multiplicities against e3nn's own, and against the solver's bilinear maps."""

import pytest
import torch

from equishare import groups, nn, sharing
from equishare._e3nn import o3

LEFT, RIGHT, OUT = "3x0e+2x1o+1e", "2x0e+3x1o", "2x0e+4x1o+1x2e+1e"


def same_signs(theirs, ours):
    """e3nn's weights for our signs: releases differ in the sign of some coefficients."""
    weights, start = [], 0
    for instruction in theirs.instructions:
        degrees = [
            irreps[k].ir.l
            for irreps, k in (
                (theirs.irreps_in1, instruction.i_in1),
                (theirs.irreps_in2, instruction.i_in2),
                (theirs.irreps_out, instruction.i_out),
            )
        ]
        sign = (o3.wigner_3j(*degrees, dtype=torch.float64) * nn.clebsch_gordan(*degrees)).sum().sign()
        count = torch.Size(instruction.path_shape).numel()
        weights.append(sign * ours[start : start + count])
        start += count
    return torch.cat(weights)


@pytest.mark.parametrize(
    ("mode", "out", "paths"),
    [
        ("uvw", OUT, [(0, 0, 0), (1, 1, 0), (0, 1, 1), (1, 0, 1), (2, 1, 1), (1, 1, 2), (1, 1, 3), (2, 0, 3)]),
        ("uvu", "3x0e+2x1o", [(0, 0, 0), (1, 0, 1)]),
        ("uvuv", "9x1o+6x2e", [(0, 1, 0), (1, 1, 1)]),
    ],
)
def test_chosen_paths_are_e3nns(mode, out, paths):
    instructions = [(i, j, o, mode, True) for i, j, o in sorted(paths, key=lambda p: (p[2], p[0], p[1]))]
    theirs = o3.TensorProduct(LEFT, RIGHT, out, instructions, shared_weights=True, internal_weights=False).double()
    ours = nn.TensorProduct(LEFT, RIGHT, out, paths, mode, weight="given").double()
    assert ours.weight_numel == theirs.weight_numel
    x, y = torch.randn(5, 12, dtype=torch.float64), torch.randn(5, 11, dtype=torch.float64)
    weight = torch.randn(ours.weight_numel, dtype=torch.float64)
    # e3nn 0.6 keeps its coefficients in single precision
    torch.testing.assert_close(ours(x, y, weight), theirs(x, y, same_signs(theirs, weight)), rtol=1e-5, atol=1e-6)
    rows = torch.randn(5, ours.weight_numel, dtype=torch.float64)
    each = torch.stack([ours(a, b, w) for a, b, w in zip(x, y, rows, strict=True)])
    torch.testing.assert_close(ours(x, y, rows), each)


def test_the_full_product_is_e3nns():
    theirs, ours = o3.FullTensorProduct(LEFT, RIGHT), nn.FullTensorProduct(LEFT, RIGHT)
    assert ours.irreps_out == theirs.irreps_out
    x, y = torch.randn(5, 12), torch.randn(5, 11)
    torch.testing.assert_close(ours(x, y).abs(), theirs(x, y).abs(), rtol=1e-5, atol=1e-5)
    kept = nn.FullTensorProduct(LEFT, RIGHT, keep="0e")
    scalars = [part for (_, ir), part in zip(ours.irreps_out, ours.irreps_out.slices(), strict=True) if str(ir) == "0e"]
    torch.testing.assert_close(kept(x, y), torch.cat([ours(x, y)[:, part] for part in scalars], dim=1))
    assert {str(ir) for _, ir in kept.irreps_out} == {"0e"}


def test_all_paths_are_all_bilinear_maps():
    """Its weights span what the solver finds, and nothing else."""
    layer = nn.FullyConnectedTensorProduct(LEFT, "1x0e+1x1o", OUT, weight="given").double()
    G = groups.o3()
    solved = sharing.solve(G.irreps(LEFT) * G.irreps("0e+1o"), G.irreps(OUT))
    x, y = torch.eye(12, dtype=torch.float64), torch.eye(4, dtype=torch.float64)
    pairs = x.repeat_interleave(4, 0), y.repeat(12, 1)
    columns = [layer(*pairs, w).mT.flatten() for w in torch.eye(layer.weight_numel, dtype=torch.float64)]
    pattern = sharing.BasisPattern(torch.stack(columns, 1), solved.shape)
    assert layer.weight_numel == solved.n_free
    assert sharing.span_distance(pattern, solved) < 1e-9


def test_outputs_have_second_moment_one():
    layer = nn.FullyConnectedTensorProduct("16x0e+16x1o+8x2e", "4x0e+4x1o", "16x0e+16x1o+16x2e")
    out = layer(torch.randn(400, layer.irreps_left.dim), torch.randn(400, 16))
    for part in layer.irreps_out.slices():
        assert 0.8 < float(out[:, part].square().mean()) < 1.2


def test_a_linear_map_of_many_irreps_makes_no_dense_matrix():
    G = groups.o3()
    layer = nn.SharedLinear(G.irreps("32x0e+16x1o+8x2e"), G.irreps("8x0e+24x1o+16x2e"))
    assert layer.pattern.pays
    x = torch.randn(5, layer.in_channels)
    torch.testing.assert_close(layer(x), torch.nn.functional.linear(x, layer.full_weight(), layer.full_bias()))
    tensors = nn.SharedLinear(16 * (G.irreps("1o") * G.irreps("1o")), G.irreps("16x0e+16x1e+16x2e"))
    assert tensors.pattern.pays
    x = torch.randn(5, 3, tensors.in_channels)
    torch.testing.assert_close(tensors(x), torch.nn.functional.linear(x, tensors.full_weight(), tensors.full_bias()))
    assert not nn.SharedLinear(G.irreps("2x1o"), G.irreps("1o")).pattern.pays


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.IrrepsLinear("4x0e+4x1o", "3x1o+3x0e", bias=True),
        lambda: nn.Gate("4x0e+4x1o"),
        lambda: nn.ChannelProduct("4x0e+4x1o", None, "4x0e+4x1o"),
        lambda: nn.Readout("4x0e+4x1o", "1o"),
    ],
)
def test_layers_of_equal_multiplicities_take_the_flat_layout(make):
    layer, x = make(), torch.randn(5, 16)
    expected = layer(nn.from_e3nn(x, "4x0e+4x1o"))
    out = layer(x)
    torch.testing.assert_close(out, expected if expected.ndim == 2 else nn.to_e3nn(expected, layer.rep_out.irreps))


def test_convolutions_take_the_flat_layout():
    x, index, harmonics = torch.randn(4, 16), torch.tensor([[0, 1, 2], [1, 3, 0]]), torch.randn(3, 4)
    conv = nn.DensityConv("4x0e+4x1o", 1, 3)
    basis = torch.randn(3, 3)
    expected = conv(nn.from_e3nn(x, "4x0e+4x1o"), basis, harmonics, index)
    torch.testing.assert_close(conv(x, basis, harmonics, index), nn.to_e3nn(expected, "4x0e+4x1o"))
    product = nn.ChannelTensorProduct("4x0e+4x1o", "0e+1o", "0e+1o")
    weight = torch.randn(3, product.n_paths, 4)
    expected = product(nn.from_e3nn(x, "4x0e+4x1o"), harmonics, weight, index)
    torch.testing.assert_close(product(x, harmonics, weight, index), nn.to_e3nn(expected, product.layout_out.irreps))


@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_is_refused():
    for make, message in (
        (lambda: nn.TensorProduct("1o", "1o", "0o"), "no path"),
        (lambda: nn.TensorProduct("1o", "1o", "0e", paths=[(0, 0, 1)]), "no such entries"),
        (lambda: nn.TensorProduct("1o", "1o", "1o", paths=[(0, 0, 0)]), "O\\(3\\) makes no 1o"),
        (lambda: nn.TensorProduct("2x1o", "1o", "3x0e", paths=[(0, 0, 0)], mode="uvu"), "keeps the 2 copies"),
        (lambda: nn.TensorProduct("1o", "1o", "0e", weight="none"), "needs some"),
        (lambda: nn.FullTensorProduct("1o", "1o", keep="3o"), "reaches nothing"),
        (lambda: nn.FullTensorProduct("1o", "1o")(torch.zeros(2, 3), torch.zeros(3, 3)), "expected, got"),
        (
            lambda: nn.FullTensorProduct("1o", "1o")(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(1)),
            "weight='given'",
        ),
        (
            lambda: nn.TensorProduct("1o", "1o", "0e", weight="given")(torch.zeros(2, 3), torch.zeros(2, 3)),
            "weights expected, got none",
        ),
        (lambda: nn.Gate("8x0e+4x1o+4x1o"), "SharedLinear"),
    ):
        with pytest.raises(nn.LayerError, match=message):
            make()
