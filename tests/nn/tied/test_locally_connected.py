"""Locally connected layers: torch's convolution once tied, its own matrix, and no symmetry before."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from equishare import nn, sharing

CONV = {1: functional.conv1d, 2: functional.conv2d}
KIND = {1: nn.LocallyConnected1d, 2: nn.LocallyConnected2d}


@st.composite
def layers(draw):
    d = draw(st.sampled_from([1, 2]))
    axis = st.integers(1, 3)
    sizes = {
        "kernel_size": tuple(draw(axis) for _ in range(d)),
        "stride": tuple(draw(axis) for _ in range(d)),
        "padding": tuple(draw(st.integers(0, 2)) for _ in range(d)),
        "dilation": tuple(draw(axis) for _ in range(d)),
    }
    in_size = tuple(draw(st.integers(7, 9)) for _ in range(d))
    channels = draw(axis), draw(axis)
    return {"arguments": (*channels, in_size), "bias": draw(st.booleans()), "dimension": d}, sizes


def built(drawn):
    choices, sizes = drawn
    kind = KIND[choices["dimension"]]
    return kind(*choices["arguments"], **sizes, bias=choices["bias"], dtype=torch.float64), sizes


@settings(max_examples=40)
@given(layers(), st.integers(0, 1000))
def test_tied_over_positions_it_is_a_convolution(drawn, seed):
    layer, sizes = built(drawn)
    rng = torch.Generator().manual_seed(seed)
    d = layer.dimension
    filters = torch.randn(layer.out_channels, layer.in_channels, *layer.kernel_size, generator=rng, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(layer.convolution_pattern().expand(filters.flatten()))
        if layer.bias is not None:
            layer.bias.copy_(layer.bias.flatten(1)[:, :1].reshape(-1, *[1] * d).expand(layer.bias.shape))
    bias = None if layer.bias is None else layer.bias.flatten(1)[:, 0]
    x = torch.randn(2, layer.in_channels, *layer.in_size, generator=rng, dtype=torch.float64)
    plain = CONV[d](x, filters, bias, sizes["stride"], sizes["padding"], sizes["dilation"])
    torch.testing.assert_close(layer(x), plain, rtol=1e-12, atol=1e-12)


@settings(max_examples=25)
@given(layers())
def test_matrix_is_the_layer_and_its_ties_are_toeplitz(drawn):
    layer, sizes = built(drawn)
    x = torch.randn(3, layer.in_channels, *layer.in_size, dtype=torch.float64)
    plain = layer.to_torch()
    torch.testing.assert_close(plain(x), layer(x), rtol=1e-12, atol=1e-12)
    assert all(type(m).__module__.startswith("torch.nn") for m in plain.modules())
    if layer.matrix_pattern().numel < 20_000:
        tied = sharing.compose(layer.matrix_pattern(), layer.convolution_pattern())
        matrix = sharing.toeplitz(
            grid=layer.in_size,
            in_channels=layer.in_channels,
            out_channels=layer.out_channels,
            **sizes,
        )
        assert torch.equal(tied.index, matrix.index)


def test_counts_of_the_literature():
    dense = torch.nn.Linear(32 * 32, 512, bias=False)
    assert dense.weight.numel() == 524_288
    layer = nn.LocallyConnected2d(3, 8, 32, 5, device="meta")
    conv = torch.nn.Conv2d(3, 8, 5)
    count = sum(p.numel() for p in layer.parameters())
    shared = sum(p.numel() for p in conv.parameters())
    assert (count, shared, count / shared) == (476_672, 608, 784)
    single = nn.LocallyConnected2d(1, 1, 32, 3, device="meta")
    assert sum(p.numel() for p in single.parameters()) / 10 == 900


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shifts_are_kept_by_the_tied_layer_only(dtype):
    layer = nn.LocallyConnected2d(2, 3, (9, 9), 3, bias=False, dtype=dtype)
    x = torch.zeros(1, 2, 9, 9, dtype=dtype)
    x[:, :, 2:5, 2:5] = torch.randn(1, 2, 3, 3, dtype=dtype)  # zeros around, so that borders do not count
    shift = (2, 1)

    def error():
        turned = layer(x.roll(shift, (2, 3)))
        return float((turned - layer(x).roll(shift, (2, 3)))[:, :, 2:, 1:].detach().abs().max())

    assert error() > 0.05
    sharing.share(layer, "weight", layer.convolution_pattern())
    assert error() < 20 * torch.finfo(dtype).eps


def test_soft_sharing_pulls_towards_the_convolution():
    layer = nn.LocallyConnected1d(1, 1, 8, 3)
    soft = sharing.SoftSharing(layer, lambda step: 1.0, patterns={"weight": layer.convolution_pattern()})
    assert float(soft.penalty(0).detach()) > 0
    soft.harden()
    assert layer.parametrizations.weight.original.numel() == 3


def test_whole_models_freeze():
    net = torch.nn.Sequential(
        nn.LocallyConnected1d(1, 2, 6, 3), torch.nn.ReLU(), torch.nn.Flatten(), nn.HashedLinear(8, 3, 5)
    )
    x = torch.randn(2, 1, 6)
    plain = nn.to_torch(net)
    torch.testing.assert_close(plain(x), net(x))
    assert all(type(m).__module__.startswith("torch.nn") for m in plain.modules())
    torch.testing.assert_close(torch.export.export(plain, (x,)).module()(x), net(x))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 1, 4, 5), "does not fit"),
        ((1, 1, 4, 3, 0), "stride"),
        ((1, 1, (4, 4, 4), 3), "in_size: 2"),
    ],
)
def test_sizes_that_do_not_fit(arguments, message):
    with pytest.raises(nn.LayerError, match=message):
        nn.LocallyConnected2d(*arguments)


@pytest.mark.usefixtures("unchecked")
def test_inputs_of_another_size():
    with pytest.raises(nn.LayerError, match="expected, got"):
        nn.LocallyConnected2d(1, 1, 6, 3)(torch.zeros(1, 1, 7, 6))
