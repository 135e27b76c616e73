"""The network's operations over arrays, for all atoms of one structure."""

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from equishare.nn import Edges, Readout
from equishare.ops.atom_sum import numba as atom_sum
from equishare.ops.edge_functions.operation import EdgeSweeps
from equishare.ops.edge_functions.torch import Radial
from equishare.potential.arrays.layers import Layers
from equishare.potential.arrays.tape import Node, Tape
from equishare.potential.arrays.weights import Weights

if TYPE_CHECKING:
    from equishare.potential.density_net import DensityLayer
    from equishare.potential.repulsion import ZBL


@runtime_checkable
class Exchange(Protocol):
    """How features of atoms that another process owns come here, and their gradients go back.

    Features are ``[(l, m), atom, channel]`` of all atoms, own ones first, then the ghosts.
    """

    def forward(self, features: np.ndarray) -> None:
        """Overwrite the ghosts' features with those of their owners."""
        ...

    def reverse(self, gradient: np.ndarray) -> None:
        """Add the ghosts' gradients to those of their owners."""
        ...


class ArrayOperations:
    """`Operations` on nodes of a tape over arrays. Features are component-major: ``[(l, m), atom, channel]``.

    Args:
        weights: Of the potential.
        vectors: Of the edges, in the weights' type; sorted by receiver.
        species: Index of each atom's element, ghosts included.
        ends: (sender, receiver) of each edge; ghosts receive none.
        n_atoms: Atoms that count: those before the ghosts.
        exchange: Between layers, where there are ghosts.
        derives: Whether `gradient` will be asked for once, with the slopes that `last_layer` is told.
    """

    n_graphs = 1

    def __init__(
        self,
        weights: Weights,
        vectors: np.ndarray,
        species: np.ndarray,
        ends: tuple[np.ndarray, np.ndarray],
        n_atoms: int,
        exchange: Exchange | None = None,
        derives: bool = False,
    ) -> None:
        self.weights, self.species, self.n_atoms, self.exchange = weights, species, n_atoms, exchange
        self.derives = derives
        self.sender, self.receiver = ends
        self.tape = Tape()
        self.vectors = Node(vectors, self.tape)
        self._seen = self.vectors

    def repel(self, repulsion: "ZBL") -> Node | None:
        vectors, species = self.vectors.value, self.species
        if not repulsion.is_felt(vectors, species[self.receiver], species[self.sender]):
            return None
        given = torch.from_numpy(vectors).requires_grad_()
        edges = Edges(torch.from_numpy(np.stack([self.sender, self.receiver])), len(species))
        with torch.enable_grad():
            outputs = repulsion(given, torch.from_numpy(species), edges)

        def back(k: int, grad: np.ndarray) -> None:
            along = torch.tensor(grad)  # a copy: the gradient of a sum is a view that cannot be written
            self.vectors.add_grad(torch.autograd.grad(outputs[k], given, along, retain_graph=True)[0].numpy())

        self._seen = self.tape.node(outputs[0].detach().numpy(), lambda grad: back(0, grad))
        whole = self.tape.node(outputs[1].detach().numpy(), lambda grad: back(1, grad))
        return self._own(whole)

    def coulomb(self, charges: Node) -> Node:
        raise NotImplementedError("the Coulomb energy is computed on tensors only, see `ArrayPotential.serves`")

    def remote_forces(self) -> np.ndarray:
        raise NotImplementedError("forces beyond the cutoff are computed on tensors only")

    def remote_virial(self) -> np.ndarray:
        raise NotImplementedError("forces beyond the cutoff are computed on tensors only")

    def edge_functions(self, radial: Radial, l_max: int) -> Node:
        seen, sweeps = self._seen, EdgeSweeps(radial, l_max)
        ends = self.sender, self.receiver
        self._layers = Layers(
            *(self.weights, seen, sweeps, self.species, ends), n_atoms=self.n_atoms, exchange=self.exchange
        )
        return self.tape.node(
            sweeps.envelope(seen.value), lambda grad: sweeps.envelope_gradient(seen.value, grad, seen.own_grad())
        )

    def embed(self, table: Tensor) -> Node:
        return Node(self.weights.array(table)[self.species][None], self.tape)

    def layer(self, layer: "DensityLayer", features: Node, table: Tensor | None) -> Node:
        return self._layers.run(layer, features, table, gathers=self.derives)

    def last_layer(
        self, layer: "DensityLayer", features: Node, table: Tensor | None, readout: Readout, slope: np.ndarray
    ) -> tuple[Node, Node, Node]:
        def read(scalars: Node) -> tuple[Node, Node]:
            inputs = self._inputs(readout, scalars)
            return inputs, self.read(readout, inputs)

        if self.derives:
            return self._layers.run_last(layer, features, table, read, n_inputs=readout.n_inputs, slope=slope)
        found = self.layer(layer, features, table)
        return found, *read(self.scalars(found))

    def scalars(self, features: Node) -> Node:
        def back(grad: np.ndarray) -> None:
            features.own_grad()[0, : self.n_atoms] += grad

        return self.tape.node(features.value[0, : self.n_atoms], back)

    def with_scalars(self, features: Node, more: Node) -> Node:
        value = features.value.copy()
        value[0, : self.n_atoms] += more.value
        if self.exchange is not None:
            self.exchange.forward(value)

        def back(grad: np.ndarray) -> None:
            if self.exchange is not None:
                self.exchange.reverse(grad)
                grad[:, self.n_atoms :] = 0
            more.add_grad(grad[0, : self.n_atoms].copy())
            features.add_grad(grad)

        return self.tape.node(value, back)

    def read_inputs(self, readout: Readout, features: Node) -> Node:
        if readout.irrep.dim > 1:
            rows, components = features.value, readout.components
            value = np.ascontiguousarray(rows[components, : self.n_atoms].transpose(1, 0, 2))

            def back(grad: np.ndarray) -> None:
                features.own_grad()[components, : self.n_atoms] += grad.transpose(1, 0, 2)

            return self.tape.node(value, back)
        return self._inputs(readout, self.scalars(features))

    def _inputs(self, readout: Readout, rows: Node) -> Node:
        """silu(W x + b) where there is a hidden layer."""
        if not isinstance(readout.read, nn.Sequential):
            return rows
        layer = cast(nn.Linear, readout.read[0])
        weight, n, given = self.weights.matrix(layer), len(rows.value), rows.value[None]
        x = np.empty((1, n, layer.out_features), given.dtype)
        weight.value(n, given, x)
        x += self.weights.array(layer.bias)
        sigmoid = 0.5 + 0.5 * np.tanh(0.5 * x)

        def back(grad: np.ndarray) -> np.ndarray:
            out = np.empty_like(given)
            weight.gradient(n, grad * sigmoid * (1 + x * (1 - sigmoid)), out)
            return out[0]

        return rows.map((x * sigmoid)[0], back)

    def read(self, readout: Readout, inputs: Node) -> Node:
        weight = self.weights.array(readout.last.weight)[0]
        value = np.einsum("...c,c->...", inputs.value, weight)
        return inputs.map(value, lambda grad: np.multiply.outer(grad, weight))

    def affine(self, rows: Node, weight: Tensor) -> Node:
        matrix = self.weights.array(weight).astype(rows.value.dtype, copy=False)
        value = np.einsum("nf,kf->nk", rows.value, matrix)
        return rows.map(value, lambda grad: np.einsum("nk,kf->nf", grad, matrix))

    def saturate(self, numbers: Node) -> Node:
        rest = np.exp(-numbers.value)
        return numbers.map(1 - rest, lambda grad: grad * rest)

    def softplus(self, numbers: Node) -> Node:
        x = numbers.value
        return numbers.map(np.logaddexp(0, x), lambda grad: grad * (0.5 + 0.5 * np.tanh(0.5 * x)))

    def real(self, integers: np.ndarray) -> np.ndarray:
        return integers.astype(self.vectors.value.dtype)

    def rows(self, table: Tensor, index: np.ndarray) -> np.ndarray:
        return table.detach().numpy()[index]  # made anew at each call: nothing to keep

    def column(self, numbers: Any) -> Any:
        if isinstance(numbers, Node):
            return numbers.map(numbers.value[:, None], lambda grad: grad[:, 0])
        return numbers[:, None]

    def concatenate(self, parts: list[Node]) -> Node:
        bounds = np.cumsum([part.value.shape[1] for part in parts])[:-1]

        def back(grad: np.ndarray) -> None:
            for part, share in zip(parts, np.split(grad, bounds, axis=1), strict=True):
                part.add_grad(share)

        return self.tape.node(np.concatenate([part.value for part in parts], axis=1), back)

    def of_species(self, values: Mapping[str, float], exact: bool = False) -> np.ndarray:
        dtype = np.dtype(np.float64) if exact else self.vectors.value.dtype
        return self.weights.table(values, dtype)[self.species[: self.n_atoms]]

    def exact(self, numbers: Node) -> np.ndarray:
        return numbers.value.astype(np.float64)

    def sum_atoms(self, numbers: Any) -> Any:
        if not isinstance(numbers, Node):
            return numbers.sum(axis=0, keepdims=True)
        shape = numbers.value.shape
        return numbers.map(numbers.value.sum(axis=0, keepdims=True), lambda grad: np.full(shape, grad, grad.dtype))

    def to_atoms(self, numbers: Any) -> Any:
        # one structure: broadcasting does it
        return numbers

    def at_receivers(self, numbers: Any) -> Any:
        if not isinstance(numbers, Node):
            return self._at(numbers, self.receiver)
        value = self._at(numbers.value, self.receiver)[: self.n_atoms].astype(numbers.value.dtype, copy=False)
        return numbers.map(value, lambda grad: grad[self.receiver])

    def at_senders(self, numbers: np.ndarray) -> np.ndarray:
        return self._at(numbers, self.sender)

    def _at(self, numbers: np.ndarray, atoms: np.ndarray) -> np.ndarray:
        """In float64, ghosts included."""
        shape, columns = numbers.shape[1:], prod(numbers.shape[1:])
        out = np.zeros((len(self.species), columns))
        atom_sum.forward(atoms, numbers.reshape(len(numbers), columns), out)
        return out.reshape(len(out), *shape)

    def constant(self, tensor: Tensor) -> np.ndarray:
        return tensor.detach().numpy()

    def plain(self, numbers: Any) -> np.ndarray:
        return numbers.value if isinstance(numbers, Node) else numbers

    def gradient(self, value: Node, seed: np.ndarray | None = None) -> np.ndarray:
        shape = value.value.shape
        along = np.ones(shape, value.value.dtype) if seed is None else np.broadcast_to(seed, shape)
        self.tape.gradient([(value, along)])
        grad = self.vectors.take_grad()
        return np.zeros_like(self.vectors.value) if grad is None else grad

    def _own(self, node: Node) -> Node:
        """Without the ghosts."""
        if self.n_atoms == len(node.value):
            return node

        def back(grad: np.ndarray) -> None:
            node.own_grad()[: self.n_atoms] += grad

        return self.tape.node(node.value[: self.n_atoms], back)
