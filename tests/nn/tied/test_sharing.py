"""Every tied layer: as many weights as claimed, the outputs of an untied reference, the gradient summed over the uses."""

import copy
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn as torch_nn

from equishare import nn, sharing


class Residual(torch_nn.Module):
    """A block that contracts: |df/dz| < 1."""

    def __init__(self, size=4, norm=0.6):
        super().__init__()
        weight = torch.randn(size, size)
        self.weight = torch_nn.Parameter(norm * weight / torch.linalg.matrix_norm(weight, 2))
        self.bias = torch_nn.Parameter(torch.randn(size))

    def forward(self, z, x):
        return torch.tanh(z @ self.weight.mT + x + self.bias)


@dataclass
class Case:
    """A layer and the same function with every use a weight of its own."""

    layer: torch_nn.Module
    inputs: tuple[Any, ...]
    weights: int  # the claim
    untied: torch_nn.Module  # its outputs are the layer's
    gathered: Any  # () -> gradients of the untied weights, summed over the uses, by the layer's names


def summed(parameters):
    return torch.stack([p.grad for p in parameters]).sum(0)


def locally_connected(dimension):
    kind, conv = {
        1: (nn.LocallyConnected1d, torch_nn.Conv1d),
        2: (nn.LocallyConnected2d, torch_nn.Conv2d),
    }[dimension]
    free = kind(2, 3, (7, 6)[:dimension], (3, 2)[:dimension], stride=2, padding=1).double()
    layer = copy.deepcopy(free)
    sharing.share(layer, "weight", layer.convolution_pattern())
    with torch.no_grad():
        free.weight.copy_(layer.weight)
    name = "parametrizations.weight.original"

    def gathered():
        grad = free.weight.grad.flatten(0, dimension - 1).sum(0)  # over positions: [*kernel, in, out]
        return {name: grad.permute(-1, -2, *range(dimension)).flatten(), "bias": free.bias.grad}

    reference = conv(2, 3, (3, 2)[:dimension], bias=False)
    x = torch.randn(4, 2, *(7, 6)[:dimension], dtype=torch.float64)
    return Case(layer, (x,), reference.weight.numel() + free.bias.numel(), free, gathered)


def lstm():
    layer = nn.TiedInputLSTM(3, 5, num_layers=2, bidirectional=True).double()
    untied = layer.to_torch()

    def gathered():
        found = {}
        for name, _ in layer.named_parameters():
            stem, suffix = name.rsplit("_l", 1)
            if stem == "bias":
                found[name] = untied.get_parameter(f"bias_ih_l{suffix}").grad
            elif stem == "weight_ih":
                found[name] = summed_gates(untied.get_parameter(name).grad)
            else:
                found[name] = untied.get_parameter(name).grad
        return found

    def summed_gates(grad):
        return sum(grad[k * 5 : (k + 1) * 5] for k in range(4))

    h = 5
    first, second = h * 3 + 4 * h * h + 4 * h, h * 2 * h + 4 * h * h + 4 * h
    x = torch.randn(7, 2, 3, dtype=torch.float64)
    return Case(
        First(layer),
        (x,),
        2 * (first + second),
        First(untied),
        lambda: {f"layer.{k}": v for k, v in gathered().items()},
    )


class First(torch_nn.Module):
    """The first of a module's outputs."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, *inputs):
        return self.layer(*inputs)[0]


class Stack(torch_nn.Module):
    """Layers of their own, one after the other."""

    def __init__(self, block, depth):
        super().__init__()
        self.blocks = torch_nn.ModuleList(copy.deepcopy(block) for _ in range(depth))

    def forward(self, z, x):
        for block in self.blocks:
            z = block(z, x)
        return z


def depth(build, layers):
    block = Residual().double()
    untied = Stack(block, layers)

    def gathered():
        return {f"block.{n}": summed([b.get_parameter(n) for b in untied.blocks]) for n in ("weight", "bias")}

    inputs = (torch.zeros(3, 4, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64))
    return Case(build(block), inputs, 20, untied, gathered)


def hashed_sum(pattern, grad):
    """The sum over the entries of each base weight, entry by entry, with signs."""
    out = torch.zeros(pattern.n_free, dtype=grad.dtype)
    for number, sign, value in zip(pattern.index.flatten(), pattern.sign.flatten(), grad.flatten(), strict=True):
        out[number] += sign * value
    return out


def hashed_linear():
    layer = nn.HashedLinear(6, 5, n_free=7, seed=3).double()
    untied = layer.to_torch()
    pattern = sharing.hashed((5, 6), 7, seed=3)
    x = torch.randn(2, 3, 6, dtype=torch.float64)
    return Case(
        layer, (x,), 12, untied, lambda: {"weight": hashed_sum(pattern, untied.weight.grad), "bias": untied.bias.grad}
    )


def hashed_embedding():
    layer = nn.HashedEmbedding(20, 5, n_free=7, seed=3).double()
    untied = layer.to_torch()
    pattern = sharing.hashed((20, 5), 7, seed=3)
    tokens = torch.randint(20, (4, 6))
    return Case(layer, (tokens,), 7, untied, lambda: {"weight": hashed_sum(pattern, untied.weight.grad)})


class Twins(torch_nn.Module):
    """Two encoders."""

    def __init__(self, encoder):
        super().__init__()
        self.first, self.second = copy.deepcopy(encoder), copy.deepcopy(encoder)

    def forward(self, a, b):
        return (self.first(a) - self.second(b)).square().sum(1).sqrt()


def siamese():
    encoder = torch_nn.Sequential(torch_nn.Linear(4, 6), torch_nn.Tanh(), torch_nn.Linear(6, 2, bias=False)).double()
    untied = Twins(encoder)

    def gathered():
        pairs = zip(untied.first.named_parameters(), untied.second.parameters(), strict=True)
        return {f"encoder.{name}": summed([p, q]) for (name, p), q in pairs}

    inputs = tuple(torch.randn(2, 3, 4, dtype=torch.float64))
    return Case(nn.Siamese(encoder), inputs, 30 + 12, untied, gathered)


def autoencoder():
    layer = nn.TiedAutoencoder([6, 4, 2], torch_nn.Tanh()).double()
    with torch.no_grad():
        for p in layer.parameters():
            p.add_(0.1 * torch.randn_like(p))
    untied = layer.to_torch()

    def gathered():
        encoder, hidden, back, decoder = (m for m in untied if isinstance(m, torch_nn.Linear))
        return {
            "weight_0": encoder.weight.grad + decoder.weight.grad.T,
            "weight_1": hidden.weight.grad + back.weight.grad.T,
            "bias_0": encoder.bias.grad,
            "bias_1": hidden.bias.grad,
            "back_bias_1": back.bias.grad,
            "back_bias_0": decoder.bias.grad,
        }

    x = torch.randn(5, 6, dtype=torch.float64)
    return Case(layer, (x,), 6 * 4 + 4 * 2 + (4 + 2) + (4 + 6), untied, gathered)


class Tokens(torch_nn.Module):
    """In through one end of an embedding, out through the other."""

    def __init__(self, embedding):
        super().__init__()
        self.embedding = embedding

    def forward(self, tokens):
        return self.embedding.scores(torch.tanh(self.embedding(tokens)))


def embedding():
    layer = nn.TiedEmbedding(9, 4).double()
    reader, scorer = torch_nn.Embedding(9, 4).double(), torch_nn.Linear(4, 9).double()
    with torch.no_grad():
        reader.weight.copy_(layer.weight)
        scorer.weight.copy_(layer.weight)
        scorer.bias.copy_(layer.bias)
    untied = torch_nn.Sequential(reader, torch_nn.Tanh(), scorer)
    return Case(
        Tokens(layer),
        (torch.randint(9, (3, 5)),),
        9 * 4 + 9,
        untied,
        lambda: {"embedding.weight": summed([reader.weight, scorer.weight]), "embedding.bias": scorer.bias.grad},
    )


CASES = {
    "LocallyConnected1d": lambda: locally_connected(1),
    "LocallyConnected2d": lambda: locally_connected(2),
    "TiedInputLSTM": lstm,
    "Iterated": lambda: depth(lambda block: nn.Iterated(block, 5), 5),
    "Equilibrium": lambda: depth(lambda block: nn.Equilibrium(block, tolerance=1e-13), 70),
    "HashedLinear": hashed_linear,
    "HashedEmbedding": hashed_embedding,
    "Siamese": siamese,
    "TiedAutoencoder": autoencoder,
    "TiedEmbedding": embedding,
}
LAYERS = set(CASES)


@pytest.mark.parametrize("name", sorted(CASES))
def test_as_many_weights_as_claimed(name):
    case = CASES[name]()
    assert sum(p.numel() for p in case.layer.parameters()) == case.weights
    assert sum(v.numel() for v in case.layer.state_dict().values()) == case.weights  # nothing else is kept


@pytest.mark.parametrize("name", sorted(CASES))
def test_outputs_of_the_untied_reference(name):
    case = CASES[name]()
    torch.testing.assert_close(case.layer(*case.inputs), case.untied(*case.inputs), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", sorted(CASES))
def test_gradient_is_the_sum_over_the_uses(name):
    case = CASES[name]()
    out = case.layer(*case.inputs)
    direction = torch.randn_like(out)
    (out * direction).sum().backward()
    (case.untied(*case.inputs) * direction).sum().backward()
    expected = case.gathered()
    assert set(expected) == {n for n, _ in case.layer.named_parameters()}
    for parameter, value in expected.items():
        torch.testing.assert_close(case.layer.get_parameter(parameter).grad, value, rtol=1e-10, atol=1e-10)
        assert value.abs().max() > 1e-6


@pytest.mark.parametrize("name", sorted(CASES))
def test_weights_can_be_given_from_outside(name):
    """As torch.func does: plain tensors in the parameters' places, whose gradients come back."""
    case = CASES[name]()
    weights = {n: (0.9 * p.detach()).requires_grad_() for n, p in case.layer.named_parameters()}
    out = torch.func.functional_call(case.layer, weights, case.inputs)
    torch.autograd.grad(out.square().sum(), list(weights.values()))
    with torch.no_grad():
        for p in case.layer.parameters():
            p.mul_(0.9)
    torch.testing.assert_close(case.layer(*case.inputs), out, rtol=1e-10, atol=1e-10)


# the weights of the equivalent in which every use has its own; those without patterns are counted by their calls
UNTIED = {
    "TiedInputLSTM": 2 * (4 * 5 * 3 + 4 * 25 + 20) + 2 * (4 * 5 * 10 + 4 * 25 + 20),
    "Iterated": 5 * 20,
    "HashedLinear": 30 + 5,
    "HashedEmbedding": 100,
    "TiedAutoencoder": 2 * (24 + 8) + 16,
    "TiedEmbedding": 2 * 36 + 9,
}


@pytest.mark.parametrize("name", sorted(UNTIED))
def test_report_counts_every_use(name):
    case = CASES[name]()
    report = sharing.report(case.layer, case.inputs)
    assert (report.stored, report.untied) == (case.weights, UNTIED[name])
