"""What a layer must do with each feature of torch: a function a feature, which takes its case of the table, the layer and its inputs."""

import copy
import io
import pickle
import warnings

import pytest
import torch

from equishare import nn
from equishare.errors import EquishareError


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


def weights_and_numbers(layer, inputs):
    """What can be differentiated: parameters by name, and floating inputs by position."""
    values = {f"weights.{name}": p.detach() for name, p in layer.named_parameters()}
    return values | {f"inputs.{k}": x for k, x in enumerate(inputs) if x.is_floating_point()}


def value_of(layer, inputs):
    """The function of `weights_and_numbers`."""

    def run(values):
        weights = {name[8:]: v for name, v in values.items() if name.startswith("weights.")}
        given = tuple(values.get(f"inputs.{k}", x) for k, x in enumerate(inputs))
        return first(torch.func.functional_call(layer, weights, given))

    return run


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


def check_float64(case, layer, inputs):
    expected = layer(*inputs)
    found = layer.double()(*cast(inputs, torch.float64))
    assert first(found).dtype == torch.float64
    close(found, expected, 1e-5)


def check_bfloat16(case, layer, inputs):
    expected = layer(*inputs)
    found = layer.bfloat16()(*cast(inputs, torch.bfloat16))
    assert first(found).dtype == torch.bfloat16
    close(found, expected, 5e-2)


def check_float16(case, layer, inputs):
    expected = layer(*inputs)
    found = layer.half()(*cast(inputs, torch.float16))
    assert first(found).dtype == torch.float16
    close(found, expected, 2e-2)


def check_amp(case, layer, inputs):
    expected = layer(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(*inputs)
    close(found, expected, 5e-2)
    if list(layer.parameters()):
        first(found).float().square().sum().backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in layer.parameters())


def check_compile(case, layer, inputs):
    torch._dynamo.reset()
    found = torch.compile(layer, backend="aot_eager", fullgraph=True)(*inputs)
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


def check_vmap(case, layer, inputs):
    several = [case.inputs(2) for _ in range(3)]
    if any(not x.is_floating_point() and x.ndim == 2 and x.shape[0] == 2 for x in inputs) and len(inputs) > 1:
        several = [(*s[:-1], several[0][-1]) for s in several]  # the same edges
        dims = (*[0] * (len(inputs) - 1), None)
    else:
        dims = (0,) * len(inputs)
    stacked = [torch.stack([s[k] for s in several]) if d == 0 else several[0][k] for k, d in enumerate(dims)]
    found = torch.vmap(lambda *x: first(layer(*x)), in_dims=dims)(*stacked)
    close(found, torch.stack([first(layer(*s)) for s in several]))


def check_jvp(case, layer, inputs):
    layer, inputs = layer.double(), cast(inputs, torch.float64)
    run, at = value_of(layer, inputs), weights_and_numbers(layer, inputs)
    direction = {name: torch.randn_like(x) for name, x in at.items()}
    out, forward = torch.func.jvp(run, (at,), (direction,))
    probe = torch.randn_like(out)
    leaves = {name: x.clone().requires_grad_() for name, x in at.items()}
    grads = torch.autograd.grad((run(leaves) * probe).sum(), list(leaves.values()), allow_unused=True)
    backward = sum((g * direction[name]).sum() for name, g in zip(leaves, grads, strict=True) if g is not None)
    assert float((forward * probe).sum()) == pytest.approx(float(backward), rel=1e-5, abs=1e-9)


def check_per_sample_gradients(case, layer, inputs):
    layer, samples = layer.double(), [cast(case.inputs(1), torch.float64) for _ in range(3)]
    at = weights_and_numbers(layer, samples[0])
    shared = {name: x for name, x in at.items() if name.startswith("weights.")}
    whole = [k for k, x in enumerate(samples[0]) if not x.is_floating_point() and k > 0]  # edges stay the same

    def loss(weights, *x):
        given = tuple(samples[0][k] if k in whole else part for k, part in enumerate(x))
        if not shared:
            return value_of(layer, given)({"inputs.0": weights["x"]}).square().sum()
        return value_of(layer, given)(weights).square().sum()

    stacked = [torch.stack([s[k] for s in samples]) for k in range(len(inputs))]
    if shared:
        found = torch.vmap(torch.func.grad(loss), in_dims=(None, *[0] * len(stacked)))(shared, *stacked)
    else:
        found = torch.vmap(torch.func.grad(loss))({"x": stacked[0]}, *stacked)
    for k, sample in enumerate(samples):
        leaves = {n: x.clone().requires_grad_() for n, x in (shared or {"x": sample[0]}).items()}
        expected = torch.autograd.grad(loss(leaves, *sample), list(leaves.values()), allow_unused=True)
        for name, grad in zip(leaves, expected, strict=True):
            close(found[name][k], torch.zeros_like(leaves[name]) if grad is None else grad, 1e-6)


def check_double_backward(case, layer, inputs):
    layer, inputs = layer.double(), cast(inputs, torch.float64)
    run, at = value_of(layer, inputs), weights_and_numbers(layer, inputs)
    direction = {name: torch.randn_like(x) for name, x in at.items()}

    def slope(shift):
        """Derivative of the sum of squares along the direction, at a shift along it."""
        leaves = {name: (x + shift * direction[name]).requires_grad_() for name, x in at.items()}
        grads = torch.autograd.grad(
            run(leaves).pow(3).sum(), list(leaves.values()), create_graph=True, allow_unused=True
        )
        total = sum((g * direction[n]).sum() for n, g in zip(leaves, grads, strict=True) if g is not None)
        return leaves, total

    if isinstance(layer, nn.Equilibrium):
        layer.tolerance = 1e-13
    leaves, total = slope(0.0)
    grads = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    found = sum(float((g * direction[n]).sum()) for n, g in zip(leaves, grads, strict=True) if g is not None)
    h = 1e-5
    expected = (float(slope(h)[1].detach()) - float(slope(-h)[1].detach())) / (2 * h)
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-6)


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
