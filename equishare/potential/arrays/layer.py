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
    """Features ``[(l, m), atom, channel]`` of a block's atoms, which begin at `start`, and their gradient."""

    __slots__ = ("grad", "start", "value")

    def __init__(self, value: np.ndarray, start: int = 0, grad: np.ndarray | None = None) -> None:
        self.value, self.start, self.grad = value, start, grad

    def own_grad(self) -> np.ndarray:
        """The gradient, to add to."""
        if self.grad is None:
            self.grad = np.zeros(self.value.shape, self.value.dtype)
        return self.grad


class Gradients(NamedTuple):
    """Where the steps back of a layer read and write, of all atoms and edges."""

    out: np.ndarray
    features: np.ndarray
    basis: np.ndarray
    harmonics: np.ndarray


class BlockOperations:
    """`LayerOperations` over arrays; what the layer gives is written to `out`, which holds zeros.

    Args:
        weights: Of the potential.
        block: Atoms and edges.
        out: The layer's features of all atoms.
    """

    def __init__(self, weights: Weights, block: Block, out: np.ndarray) -> None:
        self.weights, self.block, self.out = weights, block, out
        self._steps: list[Callable[[Gradients], None]] = []
        self._made: list[Rows] = []

    def gradient(self, given: Gradients) -> None:
        """Add the derivatives by features and edges to the arrays given."""
        self._last.grad = given.out
        for step in reversed(self._steps):
            step(given)
        for rows in self._made:
            rows.grad = None

    def skip(self, layer: "DensityLayer", features: np.ndarray) -> Rows:
        first, n, atoms = self.block.first, self.block.n_atoms, self.block.atoms
        weight, scale = self.weights.linear(layer.skip), self.weights.array(layer.species_scale)[self.block.species]
        dim = len(weight.matrix)
        weight.value(n, features, self.out, first, first)
        self.out[:dim, atoms] *= scale
        self._last = Rows(self.out, first)

        # steps do not know of this object: a circle of references would keep the arrays
        def back(given: Gradients) -> None:
            if given.features.size:
                grad = given.out[:dim, atoms] * scale
                weight.gradient(n, grad, given.features, 0, first, add=True)

        self._steps.append(back)
        return self._last

    def density(self, layer: "DensityLayer", features: np.ndarray, table: Tensor | None) -> Rows:
        density, block = self.weights.density(layer, table), self.block
        value, radial = density.value(block, features)
        out, factors = self._rows(value), (features, radial)

        def back(given: Gradients) -> None:
            of_edges = given.basis[block.edges], given.harmonics[block.edges]
            density.gradient(block, factors, out.own_grad(), given.features, of_edges)

        self._steps.append(back)
        return out

    def product(self, layer: ChannelProduct, left: Rows, right: Rows | None = None) -> Rows:
        product, block = self.weights.product(layer), self.block
        second = left if right is None else right
        out = self._rows(product.value(block, left.value, second.value))

        def back(given: Gradients) -> None:
            # gradients of a feature's two roles may not overlap
            of_right = np.zeros(left.value.shape, left.value.dtype) if right is None else right.own_grad()
            factors = left.value, second.value
            of_left = left.own_grad()
            product.gradient(block, out.own_grad(), factors, (of_left, of_right))
            if right is None:
                of_left += of_right

        self._steps.append(back)
        return out

    def linear(self, layer: IrrepsLinear, features: Rows, onto: Rows) -> Rows:
        weight, n = self.weights.linear(layer), self.block.n_atoms
        weight.value(n, features.value, onto.value, features.start, onto.start, add=True)

        def back(given: Gradients) -> None:
            add = features.grad is not None  # writing is faster
            weight.gradient(n, onto.own_grad(), features.own_grad(), onto.start, features.start, add)

        self._steps.append(back)
        return onto

    def _rows(self, value: np.ndarray) -> Rows:
        self._made.append(Rows(value))
        return self._made[-1]
