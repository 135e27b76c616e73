"""What a layer must do with torch's functional transforms and derivatives: a function a feature, as in `feature_checks`."""

import copy

import pytest
import torch
from feature_checks import cast, close, first

from equishare import nn


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


def check_ensemble(case, layer, inputs):
    models = [copy.deepcopy(layer) for _ in range(3)]
    with torch.no_grad():
        for model in models:
            for parameter in model.parameters():
                parameter.mul_(1 + torch.rand(()))
    weights, buffers = torch.func.stack_module_state(models)
    if not weights:
        return  # nothing to stack
    found = torch.vmap(lambda *state: first(torch.func.functional_call(layer, state, inputs)))(weights, buffers)
    close(found, torch.stack([first(model(*inputs)) for model in models]))


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


def check_hessian(case, layer, inputs):
    layer, inputs = layer.double(), cast(case.inputs(1), torch.float64)
    k = next((k for k, x in enumerate(inputs) if x.is_floating_point()), None)
    if k is None:
        return  # tokens
    start = inputs[k].flatten()
    few = min(8, len(start))

    if isinstance(layer, nn.Equilibrium):
        layer.tolerance = 1e-12

    def loss(numbers):
        x = torch.cat([numbers, start[few:]]).reshape(inputs[k].shape)
        return first(layer(*inputs[:k], x, *inputs[k + 1 :])).pow(3).sum()

    found, slope = torch.func.hessian(loss)(start[:few]), torch.func.grad(loss)
    direction, h = torch.randn(few, dtype=torch.float64), 1e-5
    expected = (slope(start[:few] + h * direction) - slope(start[:few] - h * direction)) / (2 * h)
    found, expected = found.detach(), expected.detach()
    assert float((found @ direction - expected).norm()) <= 1e-5 * float(expected.norm()) + 1e-7
    close(found, found.mT, 1e-6)
