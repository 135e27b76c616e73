"""What a layer must do with each feature of torch: a function a feature, which takes its case of the table, the layer and its inputs."""

import copy
import io
import pickle
import warnings

import pytest
import torch


def first(output):
    """The tensors of an output."""
    return output if isinstance(output, torch.Tensor) else torch.cat([t.flatten() for t in flat(output)])


def flat(output):
    return [output] if isinstance(output, torch.Tensor) else [t for part in output for t in flat(part)]


def cast(inputs, dtype):
    return tuple(x.to(dtype) if x.is_floating_point() else x for x in inputs)


def close(a, b, rtol=1e-5):
    a, b = first(a).detach().double(), first(b).detach().double()
    assert a.shape == b.shape
    assert float((a - b).norm()) <= rtol * float(b.norm()) + 1e-12


def check_state_dict(case, layer, inputs):
    other = case.make().eval()
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True), strict=True)
    close(other(*inputs), layer(*inputs), 0)


def check_pickle(case, layer, inputs):
    expected = layer(*inputs)
    close(pickle.loads(pickle.dumps(layer))(*inputs), expected, 0)


def check_deepcopy(case, layer, inputs):
    expected = first(layer(*inputs)).detach().clone()
    other = copy.deepcopy(layer)
    close(other(*inputs), expected, 0)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    close(layer(*inputs), expected, 0)


def computes_in(dtype, tolerance):
    """A check that a layer of this type gives numbers of it, the same to a tolerance."""

    def check(case, layer, inputs):
        expected = layer(*inputs)
        found = layer.to(dtype)(*cast(inputs, dtype))
        assert first(found).dtype == dtype
        close(found, expected, tolerance)

    return check


check_float64 = computes_in(torch.float64, 1e-5)
check_bfloat16 = computes_in(torch.bfloat16, 5e-2)
check_float16 = computes_in(torch.float16, 2e-2)


def check_amp(case, layer, inputs):
    expected = layer(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(*inputs)
    close(found, expected, 5e-2)
    if list(layer.parameters()):
        first(found).float().square().sum().backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in layer.parameters())


def check_compile(case, layer, inputs, backend="aot_eager"):
    torch._dynamo.reset()
    found = torch.compile(layer, backend=backend, fullgraph=True)(*inputs)
    expected = layer(*inputs)
    close(found, expected)
    weights = [p for p in layer.parameters() if p.requires_grad]
    if weights:
        grads = [
            torch.autograd.grad(first(out).square().sum(), weights, allow_unused=True) for out in (found, expected)
        ]
        close(*(torch.cat([g.flatten() for g in some if g is not None]) for some in grads), 1e-4)


def exported(case, layer, inputs):
    dims = dict.fromkeys(("batch", "atoms", "edges"), torch.export.Dim.DYNAMIC)
    return case.dynamic(dims) if case.dynamic else tuple({0: dims["batch"]} for _ in inputs)


def check_export(case, layer, inputs):
    program = torch.export.export(layer, inputs, dynamic_shapes=exported(case, layer, inputs)).module()
    for batch in (2, 5):
        other = case.inputs(batch)
        close(program(*other), layer(*other))


def check_onnx(case, layer, inputs, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    path = tmp_path / "layer.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(layer, inputs, path, dynamo=True, verbose=False, dynamic_shapes=exported(case, layer, inputs))
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for batch in (3, 5):
        other = case.inputs(batch)
        found = session.run(None, {i.name: x.numpy() for i, x in zip(session.get_inputs(), other, strict=True)})
        expected = flat(layer(*other))
        for a, b in zip(found, expected, strict=True):
            close(torch.from_numpy(a), b, 1e-4)


def check_meta(case, layer, inputs):
    with torch.device("meta"):
        other = case.make().eval()
    assert all(p.is_meta for p in other.parameters())
    out = first(other(*(x.to("meta") for x in inputs)))
    assert out.is_meta
    assert out.shape == first(layer(*inputs)).shape
    other = other.to_empty(device="cpu")
    other.load_state_dict(layer.state_dict(), strict=True)
    close(other(*inputs), layer(*inputs), 0)
    again = copy.deepcopy(layer).to("meta").to_empty(device="cpu")  # tables outlive the meta device
    again.load_state_dict(layer.state_dict(), strict=True)
    close(again(*inputs), layer(*inputs), 0)


def check_reset(case, layer, inputs):
    """Weights that come from ``reset_parameters`` are spread as those of construction, with memory that held anything before."""
    torch.manual_seed(3)
    made = case.make().eval()
    with torch.device("meta"):
        other = case.make().eval()
    other = other.to_empty(device="cpu")
    with torch.no_grad():
        for number in (*other.parameters(), *(b for b in other.state_dict().values() if b.is_floating_point())):
            number.fill_(torch.nan)
    for module in other.modules():
        if [*module.parameters(recurse=False)]:
            module.reset_parameters()
    for (name, a), (_, b) in zip(made.state_dict().items(), other.state_dict().items(), strict=True):
        assert b.isfinite().all(), name
        if (
            a.numel() > 9 and name.rpartition(".")[2] != "bias"
        ):  # torch's own modules draw other biases than attention's
            assert 0.4 < float((b.square().mean() / a.square().mean()).sqrt()) < 2.5, name
    assert first(other(*inputs)).isfinite().all()


def check_frozen(case, layer, inputs):
    leaves = [x.clone().requires_grad_() if x.is_floating_point() else x for x in inputs]
    floating = [x for x in leaves if x.is_floating_point()]
    probe = torch.randn_like(first(layer(*inputs)))

    def gradients():
        return torch.autograd.grad((first(layer(*leaves)) * probe).sum(), floating, allow_unused=True)

    expected = gradients() if floating else ()
    layer.requires_grad_(False)
    if not floating:
        assert not first(layer(*inputs)).requires_grad
        return
    for a, b in zip(gradients(), expected, strict=True):
        close(torch.zeros(1) if a is None else a, torch.zeros(1) if b is None else b)


def check_strides(case, layer, inputs):
    def transposed(x):
        axes = [*reversed(range(x.ndim))]
        return x.permute(axes).contiguous().permute(axes)

    def cut_out(x):
        inner = tuple(slice(1, n + 1) for n in x.shape)
        larger = x.new_full([n + 2 for n in x.shape], 0 if not x.is_floating_point() else torch.nan)
        larger[inner] = x
        return larger[inner]

    expected = layer(*inputs)
    for strided in (transposed, cut_out):
        close(layer(*map(strided, inputs)), expected)


def check_channels_last(case, layer, inputs):
    expected = layer(*inputs)
    moved = [x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x for x in inputs]
    close(layer.to(memory_format=torch.channels_last)(*moved), expected)


def check_replicas(case, layer, inputs):
    """What ``torch.nn.parallel.replicate`` makes for each GPU: plain tensors, which depend on the parameters, in their places."""
    copies = {module: module._replicate_for_data_parallel() for module in layer.modules()}
    for module, replica in copies.items():
        replica._former_parameters = {}
        for name, child in module._modules.items():
            replica._modules[name] = copies.get(child)
        for name, parameter in module._parameters.items():
            if parameter is None:
                replica._parameters[name] = None
            else:
                setattr(replica, name, 2 * parameter)
                replica._former_parameters[name] = getattr(replica, name)
        for name, buffer in module._buffers.items():
            replica._buffers[name] = buffer
    replica = copies[layer]
    found = replica(*inputs)
    weights = [p for p in layer.parameters() if p.requires_grad]
    if weights:
        torch.autograd.grad(first(found).square().sum(), weights, allow_unused=True)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(2)
    close(found, layer(*inputs), 1e-5)


def check_empty_batch(case, layer, inputs):
    inputs = tuple(x.requires_grad_() if x.is_floating_point() else x for x in case.inputs(0))
    found = flat(layer(*inputs))
    assert found[0].shape[1:] == flat(layer(*case.inputs(2)))[0].shape[1:]
    assert not found[0].numel()
    if found[0].requires_grad:
        sum(x.sum() for x in found).backward()
        assert all(p.grad is None or not p.grad.any() for p in layer.parameters())
