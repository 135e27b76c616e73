"""A layer's operations on one block of atoms, with their steps back."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch import Tensor

from equishare.nn import ChannelProduct, IrrepsLinear
from equishare.potential.arrays.blocks import Block
from equishare.potential.arrays.weights import Weights

if TYPE_CHECKING:
    from equishare.potential.density_net import DensityLayer


class Rows:
    """Features ``[(l, m), atom, channel]`` of a block's atoms, computed when they are first asked for, and their gradient.

    `start` is the row at which the block's atoms begin; `is_factor` says whether the way back of a product asks for the value.
    """

    __slots__ = ("_compute", "_value", "grad", "is_factor", "shape", "start")

    def __init__(self, shape: tuple[int, ...], compute: Callable[[], np.ndarray] | None, start: int = 0) -> None:
        self.shape, self.start, self._compute = shape, start, compute
        self.grad: np.ndarray | None = None
        self._value: np.ndarray | None = None
        self.is_factor = False

    @property
    def value(self) -> np.ndarray:
        """The features."""
        if self._value is None:
            if self._compute is None:
                raise RuntimeError("features were let go of that are asked for again")
            self._value, self._compute = self._compute(), None
        return self._value

    def settle(self) -> None:
        """Let go of a value that no way back asks for."""
        if not self.is_factor:
            self._value = self._compute = None

    def own_grad(self, dtype: np.dtype) -> np.ndarray:
        """The gradient, to add to."""
        if self.grad is None:
            self.grad = np.zeros(self.shape, dtype)
        return self.grad


class Gradients(NamedTuple):
    """Where the steps back of a layer read and write, of all atoms and edges; `more`: another layer's steps follow."""

    out: np.ndarray
    features: np.ndarray
    vectors: np.ndarray
    more: bool


class BlockOperations:
    """`LayerOperations` over arrays; what the layer gives is written to `out`, which holds zeros.

    Args:
        weights: Of the potential.
        block: Atoms and edges.
        out: The layer's features of all atoms; None where they are known already, and `gradient` alone is asked for.
    """

    def __init__(self, weights: Weights, block: Block, out: np.ndarray | None) -> None:
        self.weights, self.block, self.out = weights, block, out
        self._steps: list[Callable[[Gradients], None]] = []
        self._made: list[Rows] = []

    def settle(self) -> None:
        """Let go of what `gradient` does not need."""
        for rows in self._made:
            rows.settle()
        self.block.settle()

    def gradient(self, given: Gradients) -> None:
        """Add the derivatives by features and vectors to the arrays given."""
        for step in reversed(self._steps):
            step(given)
        for rows in self._made:
            rows.grad = None
        self.block.settle()

    def skip(self, layer: "DensityLayer", features: np.ndarray) -> Rows:
        first, n, atoms, out = self.block.first, self.block.n_atoms, self.block.atoms, self.out
        weight, scale = self.weights.linear(layer.skip), self.weights.array(layer.species_scale)[self.block.species]
        dim = len(weight.matrix)
        if out is not None:
            weight.value(n, features, out, first, first)
            out[:dim, atoms] *= scale

        # steps do not know of this object: a circle of references would keep the arrays
        def back(given: Gradients) -> None:
            if given.features.size:
                grad = given.out[:dim, atoms] * scale
                weight.gradient(n, grad, given.features, 0, first, add=True)

        self._steps.append(back)
        return Rows((), None, first)

    def density(self, layer: "DensityLayer", features: np.ndarray, table: Tensor | None) -> Rows:
        density, block = self.weights.density(layer, table), self.block
        out = self._rows(density.dim, features, lambda: density.value(block, features))

        def back(given: Gradients) -> None:
            of_functions = density.gradient(block, features, out.own_grad(features.dtype), given.features)
            block.gather(of_functions, given.vectors, given.more)

        self._steps.append(back)
        return out

    def product(self, layer: ChannelProduct, left: Rows, right: Rows | None = None) -> Rows:
        product, block = self.weights.product(layer), self.block
        second = left if right is None else right
        left.is_factor = second.is_factor = True
        out = self._rows(product.dim, left.value, lambda: product.value(block, left.value, second.value))

        def back(given: Gradients) -> None:
            factors, dtype = (left.value, second.value), left.value.dtype
            # gradients of a feature's two roles may not overlap
            of_right = np.zeros(left.shape, dtype) if right is None else right.own_grad(dtype)
            of_left = left.own_grad(dtype)
            product.gradient(block, out.own_grad(dtype), factors, (of_left, of_right))
            if right is None:
                of_left += of_right

        self._steps.append(back)
        return out

    def linear(self, layer: IrrepsLinear, features: Rows, onto: Rows) -> Rows:
        weight, n = self.weights.linear(layer), self.block.n_atoms
        if self.out is not None:
            weight.value(n, features.value, self.out, features.start, onto.start, add=True)

        def back(given: Gradients) -> None:
            add = features.grad is not None  # writing is faster
            grad = features.own_grad(given.out.dtype)
            weight.gradient(n, given.out, grad, onto.start, features.start, add)

        self._steps.append(back)
        return onto

    def _rows(self, dim: int, like: np.ndarray, compute: Callable[[], np.ndarray]) -> Rows:
        self._made.append(Rows((dim, self.block.n_atoms, like.shape[2]), compute))
        return self._made[-1]
