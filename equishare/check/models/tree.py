"""Nested inputs and outputs as flat lists of named tensors."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

Leaves = list[tuple[str, Tensor]]
Rebuild = Callable[[list[Tensor]], Any]


def flatten(tree: Any) -> tuple[Leaves, Rebuild]:
    """Split a nest of tensors into (path, tensor) pairs and a function that puts new tensors back.

    Knows tuples (named ones too), lists, mappings, dataclasses, PyG `Data`, escnn's `GeometricTensor`,
    numpy arrays, floats and complex numbers. Whatever else is found stays where it is.

    Example:
        >>> leaves, rebuild = flatten({"a": torch.ones(2), "b": (torch.zeros(1), "text")})
        >>> [path for path, _ in leaves]
        ['a', 'b.0']
        >>> rebuild([torch.zeros(2), torch.ones(1)])["b"]
        (tensor([1.]), 'text')
    """
    leaves: Leaves = []

    def walk(node: Any, path: str) -> Callable[[list[Tensor]], Any]:
        if isinstance(node, (Tensor, np.ndarray, np.inexact, float, complex)):
            return _leaf(node, path, leaves)
        children, assemble = _children(node)
        if assemble is None:
            return lambda _: node
        walkers = [(key, walk(child, f"{path}.{key}" if path else str(key))) for key, child in children]
        return lambda new: assemble([(key, walker(new)) for key, walker in walkers])

    rebuild = walk(tree, "")
    return leaves, rebuild


def _leaf(node: Any, path: str, leaves: Leaves) -> Callable[[list[Tensor]], Any]:
    number = len(leaves)
    if isinstance(node, Tensor):
        leaves.append((path, node))
        return lambda new: new[number]
    leaves.append((path, torch.as_tensor(node)))
    if isinstance(node, np.ndarray):
        return lambda new: new[number].detach().cpu().numpy()
    return lambda new: new[number].item()


def _children(node: Any) -> tuple[list[tuple[Any, Any]], Callable[[list[tuple[Any, Any]]], Any] | None]:
    """List what a container holds, and how to make one like it with other contents."""
    if isinstance(node, Mapping):
        return list(node.items()), lambda items: _mapping_like(node, items)
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        return list(zip(node._fields, node, strict=True)), lambda items: type(node)(*(v for _, v in items))
    if isinstance(node, (tuple, list)):
        return list(enumerate(node)), lambda items: type(node)(v for _, v in items)
    if _is_graph(node):
        return [(k, node[k]) for k in node.keys()], lambda items: _graph_like(node, items)  # noqa: SIM118
    if _is_geometric_tensor(node):
        return [("tensor", node.tensor)], lambda items: type(node)(items[0][1], node.type)
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        names = [f.name for f in dataclasses.fields(node) if f.init]
        return [(n, getattr(node, n)) for n in names], lambda items: dataclasses.replace(node, **dict(items))
    return [], None


def _mapping_like(node: Mapping[Any, Any], items: list[tuple[Any, Any]]) -> Any:
    try:
        return type(node)(items)  # type: ignore[call-arg]
    except TypeError:
        return dict(items)


def _is_graph(node: Any) -> bool:
    """PyG's Data and Batch, without importing PyG for people who have none."""
    return any(base.__name__ == "BaseData" for base in type(node).__mro__)


def _graph_like(node: Any, items: list[tuple[Any, Any]]) -> Any:
    new = node.clone()
    for key, value in items:
        new[key] = value
    return new


def _is_geometric_tensor(node: Any) -> bool:
    return type(node).__name__ == "GeometricTensor"


def tensors(tree: Any) -> list[Tensor]:
    """Return the tensors of a nest, without their names."""
    return [tensor for _, tensor in flatten(tree)[0]]
