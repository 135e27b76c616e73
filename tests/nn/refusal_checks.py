"""What a layer must say of inputs that it does not take: a function a feature, as in `feature_checks`."""

import re

import pytest
import torch
from feature_checks import cast, first

from equishare import nn
from equishare.errors import EquishareError


def misshaped(x):
    """The tensor with a number too many somewhere, an axis more or less, or numbers out of range."""
    wrong = [x[0], x.unsqueeze(0), x.sum() if x.is_floating_point() else x.flatten()[0]]
    for axis in range(1, x.ndim):
        wrong.append(torch.cat([x, x.narrow(axis, 0, 1)], dim=axis))
    return wrong if x.is_floating_point() else [*wrong, x + 1000, x - 1000, x.float()]


def check_wrong_shapes(case, layer, inputs):
    """What the layer does not take, it says; no error of torch's, and no tensor that fits nothing gets through."""
    for k, x in enumerate(inputs):
        refusals = []
        for wrong in misshaped(x):
            try:
                layer(*inputs[:k], wrong, *inputs[k + 1 :])
            except EquishareError as error:
                refusals.append(error)
        assert refusals or isinstance(layer, nn.PointwiseActivation)
        for error in refusals:
            told = "expected" in str(error) or "edge_index names" in str(error)
            assert told or isinstance(error, nn.EquivarianceError), error


def check_wrong_types(case, layer, inputs):
    """Numbers that are no floating-point ones, such as the bytes of an image, are told."""
    for k, x in enumerate(inputs):
        for kind in (torch.uint8, torch.int64, torch.complex64) if x.is_floating_point() else (torch.float32,):
            told = "nothing"
            try:
                layer(*inputs[:k], x.to(kind), *inputs[k + 1 :])
            except EquishareError as error:
                told = str(error)
            assert "expected" in told or "edge_index" in told, f"input {k} as {kind}: {told}"


def refusal(layer, inputs, k, wrong):
    """What the layer says to another input in place of number k."""
    with pytest.raises(EquishareError) as error:
        pytest.fail(f"input {k} as {wrong.dtype} on {wrong.device}: {layer(*inputs[:k], wrong, *inputs[k + 1 :])}")
    return str(error.value)


def takes_any(layer, inputs):
    """One input and no weights: nothing says what precision and device it should have."""
    return len(inputs) == 1 and not list(layer.parameters())


def check_wrong_precision(case, layer, inputs):
    """Numbers of another precision than the weights, or than each other, are told with both."""
    for here, there in ((torch.float32, torch.float64), (torch.float64, torch.float32)):
        layer, inputs = layer.to(here), cast(inputs, here)
        for k, x in enumerate(inputs):
            if takes_any(layer, inputs):
                assert first(layer(x.to(there))).dtype == there
            elif x.is_floating_point():
                told = refusal(layer, inputs, k, x.to(there))
                assert all(word in told for word in ("expected", str(here), str(there))), told


def check_wrong_device(case, layer, inputs):
    """What is on another device than the weights, or than each other, is told with both."""
    for k, x in enumerate(inputs):
        if takes_any(layer, inputs):
            assert first(layer(x.to("meta"))).is_meta
        else:
            told = refusal(layer, inputs, k, x.to("meta"))
            assert re.search("on (cpu|meta) expected, got it on (cpu|meta)", told), told
