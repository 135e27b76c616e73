"""Inputs of layers for a batch size, and which of their dimensions an exporter may leave open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def plain(*shape: int) -> Callable[[int], tuple[Tensor, ...]]:
    """One random tensor of this shape for each sample."""
    return lambda batch: (torch.randn(batch, *shape),)


def started(batch: int) -> tuple[Tensor, Tensor]:
    """A state and an input."""
    return torch.zeros(batch, 4), torch.randn(batch, 4)


def atoms(*shape: int) -> Callable[[int], tuple[Tensor, ...]]:
    """Features of five atoms each, one tensor a shape."""
    return lambda batch: (torch.randn(5 * batch, *shape),)


def graph(l_in: int, n_basis: int, paths: int = 0) -> Callable[[int], tuple[Tensor, ...]]:
    """Features, something of edges, and edges among five atoms each; harmonics up to degree 2."""

    def make(batch: int) -> tuple[Tensor, ...]:
        n, m = 5 * batch, 12 * batch
        index = torch.randint(5, (2, m)) + 5 * torch.arange(batch).repeat_interleave(12)
        features, harmonics = torch.randn(n, (l_in + 1) ** 2, 4), torch.randn(m, 9)
        if paths:
            return features, harmonics, torch.randn(m, paths, 4), index
        return features, torch.randn(m, n_basis), harmonics, index

    return make


def flat_graph(size: int, weights: int) -> Callable[[int], tuple[Tensor, ...]]:
    """As `graph`: features in e3nn's flat layout, harmonics and numbers of each edge."""

    def make(batch: int) -> tuple[Tensor, ...]:
        _, _, harmonics, index = graph(0, 1)(batch)
        return torch.randn(5 * batch, size), harmonics, torch.randn(12 * batch, weights), index

    return make


def swapped(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """With the numbers of each edge before its harmonics."""
    features, harmonics, numbers, index = inputs
    return features, numbers, harmonics, index


def of_graph(dims: dict[str, Any]) -> tuple[Any, ...]:
    """Dynamic dimensions of `graph`."""
    return {0: dims["atoms"]}, {0: dims["edges"]}, {0: dims["edges"]}, {1: dims["edges"]}


def as_one_tuple(n: int) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """Dynamic dimensions of a forward(first, *rest) with n positional tensors, `first` among them or not."""
    return lambda dims: ({0: dims["batch"]}, ({0: dims["batch"]},)) if n == 2 else (({0: dims["batch"]},),)


def points(channels: int) -> Callable[[int], tuple[Tensor, ...]]:
    """Features and places of five points each, and edges among them."""

    def make(batch: int) -> tuple[Tensor, ...]:
        shift = 5 * torch.arange(batch).repeat_interleave(12)
        places = torch.randn(5 * batch, 3)
        return torch.randn(5 * batch, channels), places, torch.randint(5, (2, 12 * batch)) + shift

    return make


def pairs(batch: int) -> tuple[Tensor, ...]:
    """Features of pairs of points, and the pairs."""
    return torch.randn(12 * batch, 3), torch.randint(5, (2, 12 * batch))


def of_pairs(dims: dict[str, Any]) -> tuple[Any, ...]:
    """Dynamic dimensions of `pairs`."""
    return {0: dims["edges"]}, {1: dims["edges"]}


def pair(left: int, right: int) -> Callable[[int], tuple[Tensor, ...]]:
    """Two features."""
    return lambda batch: (torch.randn(batch, left), torch.randn(batch, right))


def of_points(dims: dict[str, Any]) -> tuple[Any, ...]:
    """Dynamic dimensions of `points`."""
    return {0: dims["atoms"]}, {0: dims["atoms"]}, {1: dims["edges"]}


def two_sets(batch: int) -> tuple[Tensor, ...]:
    """Nodes and edges of dense graphs."""
    return torch.randn(batch, 5, 3), torch.randn(batch, 5, 5, 2)
