"""Compiled loops inside of compiled graphs: the same numbers, one operation, and none of it where a graph is exported."""

import os
import subprocess
import sys

import pytest
import torch

from equishare import nn
from equishare.ops.in_graph import gradient_of_loops, loops
from equishare.ops.tensor_product.paths import TensorProductPaths

INDEX = torch.tensor([[0, 1, 2, 2, 1], [1, 0, 0, 1, 2]])


def density():
    layer = nn.DensityConv("4x0e+4x1o", 2, 3)
    return layer, (torch.randn(3, 4, 4), torch.randn(5, 3), torch.randn(5, 9), INDEX)


def product():
    layer = nn.ChannelTensorProduct("4x0e+4x1o", "0e+1o", "0e+1o")
    return layer, (torch.randn(3, 4, 4), torch.randn(5, 4), torch.randn(5, layer.n_paths, 4), INDEX)


def targets(graph):
    return {str(node.target) for node in graph.graph.nodes}


def compiled(make, dtype):
    """Raise unless a compiled layer holds the loops as one operation, and gives their numbers and gradients for any number of edges."""
    layer, (*numbers, index) = make()
    layer, numbers = layer.to(dtype), [x.to(dtype) for x in numbers]
    seen = set()

    def note(graph, example):
        seen.update(targets(graph))
        return graph.forward

    assert torch.equal(torch.compile(layer, backend=note, fullgraph=True)(*numbers, index), layer(*numbers, index))
    assert any("equishare.loops" in target for target in seen), seen
    torch._dynamo.reset()
    graph = torch.compile(layer, backend="aot_eager", fullgraph=True)
    for _ in range(2):
        probe, grads = torch.randn_like(layer(*numbers, index)), []
        for run in (graph, layer):
            given = [x.clone().requires_grad_() for x in numbers]
            grads.append(torch.autograd.grad((run(*given, index) * probe).sum(), given))
        for a, b in zip(*grads, strict=True):
            torch.testing.assert_close(a, b)
        numbers, index = [numbers[0], *(torch.cat([x, x]) for x in numbers[1:])], torch.cat([index, index], 1)


@pytest.mark.slow
def test_compiled_layers_run_the_loops():
    """In a process of its own: the check of signatures stands in the compiler's way."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, __file__], check=True, timeout=600, env=environment)


@pytest.mark.parametrize("make", [density, product])
@pytest.mark.usefixtures("unchecked")
def test_an_exported_graph_holds_torch_alone(make):
    layer, inputs = make()
    program = torch.export.export(layer, inputs)
    assert not any("equishare" in target for target in targets(program.graph_module))


def test_the_operations_keep_torchs_rules():
    factors = [torch.randn(5, 2, 4), torch.randn(3, 4), torch.randn(0, 3, 4), torch.randn(5, 4)]
    factors = [x.double().requires_grad_() for x in factors]
    given = ("edge_sum", "", INDEX, 3, factors)
    torch.library.opcheck(loops, (*given, [4, 3, 4]))
    detached = [x.detach() for x in factors]
    torch.library.opcheck(gradient_of_loops, (*given[:4], torch.randn(4, 3, 4).double(), detached))


def test_paths_come_back_from_their_name():
    paths = nn.ChannelTensorProduct("4x0e+2x1o", "0e+1o+2e", "1o+0e").paths
    again = TensorProductPaths.named(paths.name)
    assert (again.factors, str(again.out.irreps)) == (paths.factors, str(paths.out.irreps))


if __name__ == "__main__":
    for dtype in (torch.float32, torch.float64):
        compiled(density, dtype)
        compiled(product, dtype)
