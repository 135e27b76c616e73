"""Frozen models: the same outputs from plain torch modules, through torch.export, ONNX and torch.compile."""

import importlib.util
import io
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn as torch_nn

from equishare import groups, nn, sharing

_spec = importlib.util.spec_from_file_location("cases", Path(__file__).with_name("fields") / "test_symmetry.py")
_cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_cases)

C4, D4, C8 = groups.cyclic(4), groups.dihedral(4), groups.cyclic(8)
# plain torch has no module for these operations; they hold no tied weights
WITHOUT_PLAIN_MODULE = {
    ("FieldRMSNorm", 0),
    ("FieldRMSNorm", 1),
    ("GlobalPool", 0),
    ("GlobalPool", 1),
    ("NormActivation", 0),
    ("NormActivation", 1),
    ("NormActivation", 2),
    ("GroupPool", 1),
    ("GroupPool", 2),
    ("GroupPool", 3),
}
NEVER_PLAIN = {
    "AntialiasedPool",
    "FieldAttention",
    "FieldLayerNorm",
    "FieldMLP",
    "FieldTransformerBlock",
    "FourierActivation",
    "TensorProductActivation",
    "UNet",
    "UNetBlock",
    "VectorFieldActivation",
}


@pytest.mark.parametrize(("name", "k"), _cases.TABLE)
def test_frozen_layer_is_plain_and_gives_the_same(name, k):
    layer, space = _cases.build(name, k)
    layer.eval()
    plain = layer.to_torch()
    x = torch.randn(2, layer.rep_in.size, *space)
    assert torch.allclose(plain(x), layer(x), atol=1e-6 * max(1.0, float(layer(x).detach().abs().max())))
    if (name, k) not in WITHOUT_PLAIN_MODULE and name not in NEVER_PLAIN:
        assert all(type(m).__module__.startswith("torch.nn") for m in plain.modules())
    assert plain.training == layer.training


def model():
    body = nn.Sequential(
        nn.GroupConv2d(D4, 1, 4, 3, lifting=True),
        nn.FieldBatchNorm(4 * D4.regular()),
        torch_nn.ReLU(),
        nn.FieldDropout(4 * D4.regular(), 0.3),
        nn.SeparableGroupConv2d(D4, 4, 4, 3, padding_mode="circular"),
        torch_nn.SiLU(),
        nn.GroupPool(4 * D4.regular()),
    )
    S = groups.symmetric(4)
    head = torch_nn.Sequential(
        torch_nn.AdaptiveAvgPool2d(1),
        torch_nn.Flatten(),
        nn.SharedLinear(S.permutation(), S.permutation()),
        torch_nn.Linear(4, 4),
    )
    sharing.share(head[3], "weight", sharing.hashed((4, 4), 5))
    whole = torch_nn.Sequential(body, head)
    for _ in range(3):
        whole(torch.randn(4, 1, 8, 8))  # batch statistics
    return whole.eval()


def test_whole_model_freezes_to_plain_modules():
    original = model()
    before = {k: v.clone() for k, v in original.state_dict().items()}
    plain = nn.to_torch(original)
    x = torch.randn(3, 1, 9, 9)
    assert torch.allclose(plain(x), original(x), atol=1e-6)
    assert all(type(m).__module__.startswith("torch.nn") for m in plain.modules())
    assert all(torch.equal(before[k], v) for k, v in original.state_dict().items())  # the original is left alone
    assert "parametrizations" in str(list(original.state_dict()))


def test_frozen_model_passes_torch_export():
    plain = nn.to_torch(model())
    x = torch.randn(2, 1, 8, 8)
    exported = torch.export.export(plain, (x,))
    buffer = io.BytesIO()
    torch.export.save(exported, buffer)
    buffer.seek(0)
    again = torch.export.load(buffer).module()
    assert torch.allclose(again(x), plain(x), atol=1e-6)


def test_frozen_model_passes_onnx(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    plain = nn.to_torch(model())
    x = torch.randn(2, 1, 8, 8)
    path = tmp_path / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(plain, (x,), path, dynamo=True, verbose=False)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (out,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    assert torch.allclose(torch.from_numpy(out), plain(x), atol=1e-5)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("frozen", [True, False])
def test_model_traces_without_graph_breaks_for_torch_compile(frozen):
    net = nn.to_torch(model()) if frozen else nn.GroupConv2d(C8, 1, 2, 5, lifting=True)
    x = torch.randn(2, 1, 8, 8)
    compiled = torch.compile(net, backend="aot_eager", fullgraph=True)
    assert torch.allclose(compiled(x), net(x), atol=1e-6)


@pytest.mark.slow
def test_frozen_model_passes_torch_compile():
    plain = nn.to_torch(model())
    x = torch.randn(2, 1, 8, 8)
    assert torch.allclose(torch.compile(plain, fullgraph=True)(x), plain(x), atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: nn.SharedLinear(groups.o3().irreps("2x0e+1o"), groups.o3().irreps("0e+2x1o")),
        lambda: nn.GroupConv1d(groups.cyclic(2), 2, 3, 5),
        lambda: nn.GroupConv3d(groups.octahedral(), 1, 1, 3, lifting=True),
        lambda: nn.GroupConv2d(C8, 2, 3, 5),
    ],
)
def test_single_layers_pass_torch_export(layer):
    built = layer()
    plain = built.to_torch()
    space = (5,) * (getattr(built, "dimension", 0))
    x = torch.randn(2, built.rep_in.size, *space)
    exported = torch.export.export(plain, (x,)).module()
    assert torch.allclose(exported(x), built(x), atol=1e-6)
