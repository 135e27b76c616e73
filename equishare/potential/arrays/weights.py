"""Layers as arrays, for the compiled loops: each with its value and its gradient on a block of atoms."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from torch import Tensor, nn

from equishare.nn import ChannelProduct, DensityConv, IrrepsLinear
from equishare.ops.channel_product import numba as product
from equishare.ops.components import component_degrees
from equishare.ops.edge_sum.operation import sweeps
from equishare.ops.linear import numba as linear
from equishare.ops.radial_sum import numba as radial_sum
from equishare.ops.species_sum import numba as species_sum
from equishare.potential.arrays.blocks import Block

if TYPE_CHECKING:
    from equishare.potential.density_net import DensityLayer

Made = TypeVar("Made")


class Linear:
    """A matrix for each degree, there and back, and which of them each component takes."""

    def __init__(self, weight: Tensor, components: int) -> None:
        self.there = weight.detach().numpy().copy()
        self.back = self.there.transpose(0, 2, 1).copy()
        self.matrix = component_degrees(components)

    @classmethod
    def of(cls, layer: IrrepsLinear) -> "Linear":
        """Irreps that the map leaves out are the last ones."""
        return cls(layer.weight.detach() * layer.layout_in.channels**-0.5, layer.layout_out.dim)

    def value(
        self, count: int, rows: np.ndarray, out: np.ndarray, start: int = 0, start_out: int = 0, add: bool = False
    ) -> None:
        """Map `count` rows of each component, from `start` on."""
        linear.forward(count, rows, start, self.there, self.matrix, out, start_out, add)

    def gradient(
        self, count: int, grad: np.ndarray, out: np.ndarray, start: int = 0, start_out: int = 0, add: bool = False
    ) -> None:
        """The same with the transposes."""
        linear.forward(count, grad, start, self.back, self.matrix, out, start_out, add)


class Product:
    """`ChannelProduct`."""

    def __init__(self, layer: ChannelProduct) -> None:
        self.weight = layer.weight.detach().numpy().copy()
        self.table = layer.coupling.table(layer.weight.dtype)
        self.dim = layer.coupling.out.dim
        self.of_weight = np.empty((0, 0, 0), self.weight.dtype)

    def value(self, block: Block, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """The product."""
        out = np.empty((self.dim, *left.shape[1:]), left.dtype)
        product.forward(0, block.n_atoms, left, right, self.weight, block.species, self.table, out)
        return out

    def gradient(
        self, block: Block, grad: np.ndarray, factors: tuple[np.ndarray, ...], of_factors: tuple[np.ndarray, ...]
    ) -> None:
        """Add the derivatives by both factors."""
        given = *factors, self.weight, block.species, self.table
        product.backward(0, block.n_atoms, grad, *given, *of_factors, self.of_weight)


class Density:
    """`DensityConv` and the mixing of its channels."""

    def __init__(self, conv: DensityConv, mix: IrrepsLinear) -> None:
        self.radial = Linear((conv.radial.weight.detach() / conv.normalization).T.unsqueeze(0), 1)
        self.mix = Linear.of(mix)
        self.dim = len(self.mix.matrix)
        self.sweeps = sweeps(self.dim)

    def value(self, block: Block, features: np.ndarray) -> np.ndarray:
        """The density of a block's atoms."""
        basis, harmonics = block.functions()
        shape = self.dim, block.n_atoms, features.shape[2]
        unmixed, mixed = np.empty(shape, features.dtype), np.empty(shape, features.dtype)
        radial_sum.forward(
            *(0, block.n_atoms, basis, self.radial.there, self.radial.matrix, features[0], features[1:], harmonics),
            *(self.sweeps, block.sender, block.starts, unmixed),
        )
        self.mix.value(block.n_atoms, unmixed, mixed)
        return mixed

    def gradient(
        self, block: Block, features: np.ndarray, grad: np.ndarray, of_features: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Add the derivative by the senders' features; return those by the edges' functions."""
        basis, harmonics = block.functions()
        unmixed = np.empty_like(grad)
        self.mix.gradient(block.n_atoms, grad, unmixed)
        of_basis, of_harmonics = np.empty_like(basis), np.empty_like(harmonics)
        radial_sum.backward(
            *(0, block.n_atoms, unmixed, basis, self.radial.there, self.radial.back, self.radial.matrix),
            *(features[0], features[1:], harmonics, self.sweeps, block.sender, block.starts),
            *(of_basis, of_harmonics, of_features[0], of_features[1:]),
        )
        return of_basis, of_harmonics


class DensityOfSpecies:
    """`DensityConv.of_kinds` of a table's rows, one for each species, and the mixing of its channels."""

    def __init__(self, conv: DensityConv, mix: IrrepsLinear, table: Tensor) -> None:
        weight = conv.kind_weight(table, mix).detach() / conv.normalization
        self.dim = len(weight)
        # one of each degree: components share theirs
        self.weight = Linear(weight[np.unique(component_degrees(self.dim), return_index=True)[1]], self.dim)

    def value(self, block: Block, features: np.ndarray) -> np.ndarray:
        """The density of a block's atoms."""
        functions = block.functions()
        out = np.empty((self.dim, block.n_atoms, features.shape[2]), features.dtype)
        sums = np.zeros((self.dim, block.n_atoms, self.weight.there.shape[1]), features.dtype)
        species_sum.forward(0, block.n_atoms, *functions, _slot(block, functions[0]), block.starts, sums)
        self.weight.value(block.n_atoms, sums, out)
        return out

    def gradient(
        self, block: Block, features: np.ndarray, grad: np.ndarray, of_features: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `Density`; the features are constants."""
        basis, harmonics = block.functions()
        of_sums = np.empty((self.dim, block.n_atoms, self.weight.there.shape[1]), grad.dtype)
        self.weight.gradient(block.n_atoms, grad, of_sums)
        found = np.zeros_like(basis), np.zeros_like(harmonics)
        species_sum.backward(0, block.n_atoms, of_sums, basis, harmonics, _slot(block, basis), block.starts, *found)
        return found


def _slot(block: Block, basis: np.ndarray) -> np.ndarray:
    """Where the functions of each edge go."""
    return block.neighbour * basis.shape[1]


class Weights:
    """The layers of a potential as arrays, each made when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[nn.Module, Any] = {}
        # with what they were made of, so that nothing else gets its id
        self._arrays: dict[int, tuple[Tensor, np.ndarray]] = {}
        self._tables: dict[tuple[int, np.dtype], tuple[Mapping[str, float], np.ndarray]] = {}

    def array(self, tensor: Tensor) -> np.ndarray:
        """A parameter's numbers."""
        found = self._arrays.get(id(tensor))
        if found is None:
            found = self._arrays[id(tensor)] = tensor, tensor.detach().numpy()
        return found[1]

    def table(self, values: Mapping[str, float], dtype: np.dtype) -> np.ndarray:
        """A constant for each element."""
        found = self._tables.get((id(values), dtype))
        if found is None:
            found = self._tables[id(values), dtype] = values, np.array(list(values.values()), dtype)
        return found[1]

    def linear(self, layer: IrrepsLinear) -> Linear:
        """A linear map per irrep."""
        try:
            return self._made[layer]
        except KeyError:
            return self._keep(layer, Linear.of(layer))

    def matrix(self, layer: nn.Linear) -> Linear:
        """A plain linear map, without its bias."""
        try:
            return self._made[layer]
        except KeyError:
            return self._keep(layer, Linear(layer.weight.T.unsqueeze(0), 1))

    def product(self, layer: ChannelProduct) -> Product:
        """A channel-wise product."""
        try:
            return self._made[layer]
        except KeyError:
            return self._keep(layer, Product(layer))

    def density(self, layer: "DensityLayer", table: Tensor | None) -> Density | DensityOfSpecies:
        """The density of a layer, with the mixing of its channels."""
        try:
            return self._made[layer]
        except KeyError:
            layers = layer.conv, layer.channel_mix
            return self._keep(layer, Density(*layers) if table is None else DensityOfSpecies(*layers, table))

    def _keep(self, layer: nn.Module, made: Made) -> Made:
        self._made[layer] = made
        return made
