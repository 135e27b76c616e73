"""Layers over arrays: one block of atoms after the other, there and back."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from equishare.ops.edge_functions.operation import EdgeSweeps
from equishare.ops.threads import run_parts
from equishare.potential.arrays.blocks import Block, blocks
from equishare.potential.arrays.layer import BlockOperations, Gradients
from equishare.potential.arrays.tape import Node, Tape
from equishare.potential.arrays.weights import Weights

if TYPE_CHECKING:
    from equishare.potential.arrays.operations import Exchange
    from equishare.potential.density_net import DensityLayer


class Layers:
    """Runs the layers of one structure.

    Args:
        weights: Of the potential.
        vectors: Of the edges, sorted by receiver.
        sweeps: The functions of the edges.
        species: Index of each atom's element, ghosts included.
        ends: (sender, receiver) of each edge.
        n_atoms: Atoms that count: those before the ghosts.
        exchange: Between layers, where there are ghosts.
    """

    def __init__(
        self,
        weights: Weights,
        vectors: Node,
        sweeps: EdgeSweeps,
        species: np.ndarray,
        ends: tuple[np.ndarray, np.ndarray],
        n_atoms: int,
        exchange: "Exchange | None",
    ) -> None:
        self.weights, self.vectors, self.sweeps, self.exchange = weights, vectors, sweeps, exchange
        self.species, self.ends, self.n_atoms = species, ends, n_atoms
        self._parts: list[list[Block]] = []

    def run(self, layer: "DensityLayer", features: Node, table: Tensor | None, gathers: bool) -> Node:
        """The layer's features of all atoms; `gathers`: each block's edges wait for the layers before this one on the way back."""
        more = gathers and bool(self._parts)
        parts, given = self._blocks(features), features.value
        out = np.zeros((layer.dim_out, len(self.species), given.shape[2]), given.dtype)
        kept: dict[int, BlockOperations] = {}

        def run(part: list[Block]) -> None:
            for block in part:
                ops = BlockOperations(self.weights, block, out)
                layer(ops, given, table)
                ops.settle()
                if block.keeps:
                    kept[block.first] = ops

        run_parts(run, [(part,) for part in parts])
        if self.exchange is not None:
            self.exchange.forward(out)

        def back(grad: np.ndarray) -> None:
            if self.exchange is not None:
                self.exchange.reverse(grad)
            own, of_vectors = self._gradients(features, table), self.vectors.own_grad()

            def run(part: list[Block], of_features: np.ndarray) -> None:
                for block in part:
                    ops = kept.get(block.first)
                    if ops is None:
                        ops = BlockOperations(self.weights, block, None)
                        layer(ops, given, table)
                    ops.gradient(Gradients(grad, of_features, of_vectors, more))

            run_parts(run, list(zip(parts, own, strict=True)))
            if table is None:
                features.add_grads(own)

        return features.tape.node(out, back)

    def run_last(
        self,
        layer: "DensityLayer",
        features: Node,
        table: Tensor | None,
        read: Callable[[Node], tuple[Node, Node]],
        n_inputs: int,
        slope: np.ndarray,
    ) -> tuple[Node, Node, Node]:
        """There and back at once, so that nothing of a block is kept: (features, inputs of the readout, its numbers).

        `read` takes the invariants of a block to `n_inputs` inputs and a number of each atom; `slope` is the derivative by the numbers.
        """
        more = bool(self._parts)
        parts, given = self._blocks(features), features.value
        shape = layer.dim_out, len(self.species), given.shape[2]
        out, of_out = np.zeros(shape, given.dtype), np.zeros(shape, given.dtype)
        own, of_vectors = self._gradients(features, table), np.zeros_like(self.vectors.value)
        inputs, numbers = np.empty((self.n_atoms, n_inputs), given.dtype), np.empty(self.n_atoms, given.dtype)

        def run(part: list[Block], of_features: np.ndarray) -> None:
            for block in part:
                ops, atoms, tape = BlockOperations(self.weights, block, out), block.atoms, Tape()
                layer(ops, given, table)
                scalars = Node(out[0, atoms], tape)
                of_block, found = read(scalars)
                inputs[atoms], numbers[atoms] = of_block.value, found.value
                tape.gradient([(found, slope[atoms])])
                tape.steps.clear()  # a circle of references
                of_out[0, atoms] = scalars.take_grad()
                ops.gradient(Gradients(of_out, of_features, of_vectors, more))

        run_parts(run, list(zip(parts, own, strict=True)))

        def back(grad: np.ndarray) -> None:
            if not np.array_equal(grad, slope):
                raise RuntimeError("another derivative is asked for than was announced")
            self.vectors.add_grad(of_vectors)
            if table is None:
                features.add_grads(own)

        tape = features.tape
        return Node(out, tape), Node(inputs, tape), tape.node(numbers, back)

    def _blocks(self, features: Node) -> list[list[Block]]:
        if not self._parts:
            given = self.species, *self.ends, self.vectors.value, self.sweeps
            self._parts = blocks(*given, n_atoms=self.n_atoms, channels=features.value.shape[2])
        return self._parts

    def _gradients(self, features: Node, table: Tensor | None) -> list[np.ndarray]:
        """A sum for each thread, for senders are anyone's; an embedding is a constant."""
        shape = (0, 0, 0) if table is not None else features.value.shape
        return [np.zeros(shape, features.value.dtype) for _ in self._parts]
