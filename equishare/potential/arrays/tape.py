"""A tape of values and gradients over NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class Tape:
    """Steps back, in the order in which values were made; `gradient` runs them from the last to the first.

    >>> tape = Tape()
    >>> x = Node(np.array([1.0, 2.0]), tape)
    >>> y = x * x + 1
    >>> tape.gradient([(y, np.ones(2))])
    >>> x.take_grad()
    array([2., 4.])
    """

    def __init__(self) -> None:
        self.steps: list[tuple[Node | None, Callable[..., None]]] = []

    def gradient(self, seeds: list[tuple[Node, np.ndarray]]) -> None:
        """Differentiate the sum of seed * node; leaves keep what they get until it is taken."""
        for seeded, seed in seeds:
            seeded.add_grad(seed)
        for node, back in reversed(self.steps):
            if node is None:
                back()
            elif node.grad is not None:
                grad, node.grad = node.grad, None
                back(grad)

    def node(self, value: np.ndarray, back: Callable[[np.ndarray], None]) -> Node:
        """Record a value; `back` hands its gradient on, and is not called where there is none."""
        out = Node(value, self)
        self.steps.append((out, back))
        return out


class Node:
    """A value on a tape; +, -, * and / with numbers, arrays and other nodes, NumPy's broadcasting included."""

    __slots__ = ("grad", "tape", "value")
    __array_ufunc__ = None  # arrays leave arithmetic with nodes to the nodes

    def __init__(self, value: np.ndarray, tape: Tape) -> None:
        self.value, self.tape = value, tape
        self.grad: np.ndarray | None = None

    def add_grad(self, grad: np.ndarray) -> None:
        """Add to the gradient; the array is not written to afterwards."""
        self.grad = grad if self.grad is None else self.grad + grad

    def add_grads(self, grads: list[np.ndarray]) -> None:
        """Add arrays to the gradient, which need no memory: the first is written to."""
        first, *others = grads
        for more in (*others, *([] if self.grad is None else [self.grad])):
            first += more
        self.grad = first

    def own_grad(self) -> np.ndarray:
        """The gradient as an array of the node's own that may be written to."""
        if self.grad is None:
            self.grad = np.zeros(self.value.shape, self.value.dtype)
        return self.grad

    def take_grad(self) -> np.ndarray | None:
        """The gradient, which the node then forgets."""
        grad, self.grad = self.grad, None
        return grad

    def map(self, value: np.ndarray, back: Callable[[np.ndarray], np.ndarray]) -> Node:
        """What a function of this node alone gives; `back` takes the gradient of it to that of this node."""
        return self.tape.node(value, lambda grad: self.add_grad(back(grad)))

    def __add__(self, other: Any) -> Node:
        if not isinstance(other, Node):
            return self.map(self.value + other, lambda grad: _like(grad, self.value))

        def back(grad: np.ndarray) -> None:
            self.add_grad(_like(grad, self.value))
            other.add_grad(_like(grad, other.value))

        return self.tape.node(self.value + other.value, back)

    def __mul__(self, other: Any) -> Node:
        if not isinstance(other, Node):
            return self.map(self.value * other, lambda grad: _like(grad * other, self.value))

        def back(grad: np.ndarray) -> None:
            self.add_grad(_like(grad * other.value, self.value))
            other.add_grad(_like(grad * self.value, other.value))

        return self.tape.node(self.value * other.value, back)

    def __truediv__(self, other: Any) -> Node:
        if not isinstance(other, Node):
            return self * (1 / other)
        return self * other.map(1 / other.value, lambda grad: -grad / np.square(other.value))

    def __neg__(self) -> Node:
        return self.map(-self.value, np.negative)

    def __sub__(self, other: Any) -> Node:
        return self + -other

    def __rsub__(self, other: Any) -> Node:
        return -self + other

    __radd__, __rmul__ = __add__, __mul__


def _like(grad: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Sum over what was broadcast."""
    if grad.shape == value.shape:
        return grad
    extra = tuple(range(np.ndim(grad) - value.ndim))
    grad = np.sum(grad, axis=extra) if extra else grad
    stretched = tuple(k for k, (a, b) in enumerate(zip(grad.shape, value.shape, strict=True)) if a != b)
    return grad.sum(axis=stretched, keepdims=True) if stretched else grad
