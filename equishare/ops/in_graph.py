"""Compiled loops as one operation in the graphs of torch's compiler, which cannot look into them."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from equishare.ops.backend import transformed
from equishare.ops.closed import Kernels
from equishare.ops.edges import Edges

Maker = Callable[[str, Edges], Kernels]

_makers: dict[str, Maker] = {}
_recent: deque[Edges] = deque(maxlen=4)


def kernels_in_graph(kind: str) -> Callable[[Maker], Maker]:
    """Say how the kernels of this kind are made of a text and the edges, so that a graph can name them."""

    def register(maker: Maker) -> Maker:
        _makers[kind] = maker
        return maker

    return register


def loops_in_graph(example: Tensor) -> bool:
    """Whether a graph that is being compiled for this processor should hold the loops: not one that is exported, which needs torch alone."""
    return (
        torch.compiler.is_dynamo_compiling()
        and not torch.compiler.is_exporting()
        and not transformed()
        and example.device.type == "cpu"
        and example.dtype in (torch.float32, torch.float64)
    )


@torch.library.custom_op("equishare::loops", mutates_args=())
def loops(
    kind: str, text: str, edge_index: Tensor, atoms: int, factors: Sequence[Tensor], size: Sequence[int]
) -> Tensor:
    """The value of an operation by its loops, of this size; a first derivative is one more operation, a second one is not in a graph.

    >>> import equishare.ops.edge_sum.operation
    >>> index = torch.tensor([[0, 1], [1, 0]])
    >>> factors = [torch.ones(2, 1, 3), torch.ones(2, 3), torch.ones(0, 2, 3), torch.ones(2, 1)]
    >>> loops("edge_sum", "", index, 2, factors, [1, 2, 3]).shape
    torch.Size([1, 2, 3])
    """
    return _kernels(kind, text, edge_index, atoms).value(*(factor.contiguous() for factor in factors))


@loops.register_fake
def _(kind: str, text: str, edge_index: Tensor, atoms: int, factors: Sequence[Tensor], size: Sequence[int]) -> Tensor:
    return factors[0].new_empty(size)


@torch.library.custom_op("equishare::gradient_of_loops", mutates_args=())
def gradient_of_loops(
    kind: str, text: str, edge_index: Tensor, atoms: int, grad: Tensor, factors: Sequence[Tensor]
) -> list[Tensor]:
    """Its derivative by each factor, along the value's."""
    given = [factor.contiguous() for factor in factors]
    found = _kernels(kind, text, edge_index, atoms).gradient(grad.contiguous(), *given, wanted=(True,) * len(given))
    return [*found]


@gradient_of_loops.register_fake
def _(kind: str, text: str, edge_index: Tensor, atoms: int, grad: Tensor, factors: Sequence[Tensor]) -> list[Tensor]:
    return [factor.new_empty(factor.shape) for factor in factors]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.kind, ctx.text, edge_index, ctx.atoms, factors, _ = inputs
    ctx.save_for_backward(edge_index, *factors)


def _backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    edge_index, *factors = ctx.saved_tensors
    derivatives = gradient_of_loops(ctx.kind, ctx.text, edge_index, ctx.atoms, grad, factors)
    return None, None, None, None, derivatives, None


loops.register_autograd(_backward, setup_context=_keep)


def _kernels(kind: str, text: str, edge_index: Tensor, atoms: int) -> Kernels:
    return _makers[kind](text, _edges(edge_index, atoms))


def _edges(edge_index: Tensor, atoms: int) -> Edges:
    """The edges with the orders that an earlier operation found: a graph hands on numbers alone."""
    for edges in tuple(_recent):
        if edges.n_atoms == atoms and torch.equal(edges.edge_index, edge_index):
            return edges
    edges = Edges(edge_index.clone(), atoms)
    _recent.append(edges)
    return edges
