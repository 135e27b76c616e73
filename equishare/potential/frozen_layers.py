"""The layers of a frozen network: loops over arrays, one block of atoms after the other."""

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from torch import Tensor, nn

from equishare.nn import ChannelProduct, DensityConv, IrrepsLinear, Readout
from equishare.ops.channel_product import numba as product
from equishare.ops.components import component_degrees
from equishare.ops.edge_sum import numba as density
from equishare.ops.edge_sum.operation import sweeps
from equishare.ops.linear import numba as linear
from equishare.ops.species_sum import numba as kinds
from equishare.ops.threads import atom_ranges, run_parts

if TYPE_CHECKING:
    from equishare.potential.density_net import DensityLayer

# Atoms whose densities, products and edges fill half of a core's second cache
BLOCK = 16


class Block(NamedTuple):
    """Some atoms one after the other, and the edges that they receive, which are one after the other as well.

    ``neighbour`` is the sender's species; ``starts`` and ``order`` count the block's own edges from 0.
    """

    first: int
    n_atoms: int
    edges: slice
    species: np.ndarray
    sender: np.ndarray
    neighbour: np.ndarray
    starts: np.ndarray
    order: np.ndarray
    basis: np.ndarray
    harmonics: np.ndarray


class BlockedGraph:
    """What all layers see; edges are sorted by receiver."""

    def __init__(
        self,
        species: np.ndarray,
        sender: np.ndarray,
        receiver: np.ndarray,
        basis: np.ndarray,
        harmonics: np.ndarray,
        channels: int,
    ) -> None:
        self.receiver, self.basis, self.harmonics = receiver, basis, harmonics
        neighbour, order = species[sender], np.arange(len(sender))
        starts = np.searchsorted(receiver, np.arange(len(species) + 1))
        work = 4 * harmonics.size * channels  # of one pass over the edges; atoms come on top
        self.parts: list[list[Block]] = []
        for start, stop in atom_ranges(len(species), work, starts):
            self.parts.append([])
            for first, last in pairwise([*range(start, stop, BLOCK), stop]):
                edges = slice(int(starts[first]), int(starts[last]))
                block = Block(
                    *(first, last - first, edges, species[first:last], sender[edges], neighbour[edges]),
                    *(starts[first : last + 1] - edges.start, order[: edges.stop - edges.start]),
                    *(basis[edges], harmonics[edges]),
                )
                self.parts[-1].append(block)


class _Linear:
    """A matrix for each degree, there and back, and which of them each component takes."""

    def __init__(self, weight: Tensor, components: int) -> None:
        self.there = weight.detach().numpy().copy()
        self.back = self.there.transpose(0, 2, 1).copy()
        self.matrix = component_degrees(components)

    @classmethod
    def of(cls, layer: IrrepsLinear) -> "_Linear":
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


class FrozenLayer:
    """`DensityLayer`."""

    def __init__(self, layer: "DensityLayer", table: Tensor | None) -> None:
        self.density: _Density | _DensityOfKinds = (
            _Density(layer.conv, layer.channel_mix)
            if table is None
            else _DensityOfKinds(layer.conv, layer.channel_mix, table)
        )
        self.products = [_Product(each) for each in cast(list[ChannelProduct], layer.products)]
        self.mixes = [_Linear.of(mix) for mix in cast(list[IrrepsLinear], layer.mixes)]
        self.skip = _Linear.of(layer.skip)
        self.species_scale = layer.species_scale.detach().numpy().copy()
        self.dim_skip, self.dim_out = len(self.skip.matrix), len(self.mixes[0].matrix)

    def value(self, features: np.ndarray, graph: BlockedGraph) -> tuple[np.ndarray, dict[int, list[np.ndarray]]]:
        """The new features, and of each block its density and the powers that are factors."""
        out = np.zeros((self.dim_out, *features.shape[1:]), features.dtype)
        kept = {}

        def run(part: list[Block]) -> None:
            for block in part:
                kept[block.first] = self._value(block, features, out)

        run_parts(run, [(part,) for part in graph.parts])
        return out, kept

    def _value(self, block: Block, features: np.ndarray, out: np.ndarray) -> list[np.ndarray]:
        first, n = block.first, block.n_atoms
        self.skip.value(n, features, out, first, first)
        out[: self.dim_skip, first : first + n] *= self.species_scale[block.species]
        powers = [self.density.value(block, features)]
        for each in self.products:
            powers.append(each.value(block, powers[-1], powers[0]))
        for power, mix in zip(powers, self.mixes, strict=True):
            mix.value(n, power, out, 0, first, add=True)
        return powers[:-1]

    def gradient(
        self,
        features: np.ndarray,
        kept: dict[int, list[np.ndarray]],
        of_out: np.ndarray,
        graph: BlockedGraph,
        of_basis: np.ndarray,
        of_harmonics: np.ndarray,
    ) -> np.ndarray:
        """Derivative by the features; those by the edges' functions are added to."""
        # senders are anyone's: each thread has a sum of its own
        own = [np.zeros_like(features) for _ in graph.parts]

        def run(part: list[Block], of_features: np.ndarray) -> None:
            for block in part:
                of_density = self._of_density(block, kept[block.first], of_out)
                of_edges = of_basis[block.edges], of_harmonics[block.edges]
                self.density.gradient(block, features, of_density, of_features, *of_edges)
                if not self.density.of_constants:
                    first, last = block.first, block.first + block.n_atoms
                    of_kept = of_out[: self.dim_skip, first:last] * self.species_scale[block.species]
                    self.skip.gradient(block.n_atoms, of_kept, of_features, 0, first, add=True)

        run_parts(run, list(zip(graph.parts, own, strict=True)))
        return sum(own[1:], start=own[0])

    def _of_density(self, block: Block, powers: list[np.ndarray], of_out: np.ndarray) -> np.ndarray:
        shape = block.n_atoms, of_out.shape[2]
        dims = [self.density.dim, *(each.dim for each in self.products)]
        grads = [np.zeros((dim, *shape), of_out.dtype) for dim in dims]
        for grad, mix in zip(grads, self.mixes, strict=True):
            mix.gradient(block.n_atoms, of_out, grad, block.first)
        for order in reversed(range(1, len(self.products))):
            self.products[order].gradient(block, grads[order + 1], powers[order], powers[0], grads[order], grads[0])
        if self.products:
            second = np.zeros_like(grads[0])  # may not overlap the first
            self.products[0].gradient(block, grads[1], powers[0], powers[0], grads[0], second)
            grads[0] += second
        return grads[0]


class _Product:
    """`ChannelProduct`."""

    def __init__(self, layer: ChannelProduct) -> None:
        self.weight = layer.weight.detach().numpy().copy()
        self.table = layer.coupling.table(layer.weight.dtype)
        self.dim = layer.coupling.out.dim
        self.of_weight = np.empty((0, 0, 0), self.weight.dtype)

    def value(self, block: Block, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        out = np.empty((self.dim, *left.shape[1:]), left.dtype)
        product.forward(0, block.n_atoms, left, right, self.weight, block.species, self.table, out)
        return out

    def gradient(
        self,
        block: Block,
        grad: np.ndarray,
        left: np.ndarray,
        right: np.ndarray,
        of_left: np.ndarray,
        of_right: np.ndarray,
    ) -> None:
        """Add the derivatives by both factors."""
        factors = left, right, self.weight, block.species, self.table
        product.backward(0, block.n_atoms, grad, *factors, of_left, of_right, self.of_weight)


class _Density:
    """`DensityConv` and the mixing of its channels."""

    of_constants = False

    def __init__(self, conv: DensityConv, mix: IrrepsLinear) -> None:
        self.radial = _Linear((conv.radial.weight.detach() / conv.normalization).T.unsqueeze(0), 1)
        self.mix = _Linear.of(mix)
        self.dim = len(self.mix.matrix)
        self.sweeps = sweeps(self.dim)

    def value(self, block: Block, features: np.ndarray) -> np.ndarray:
        unmixed, mixed = np.empty((2, self.dim, block.n_atoms, features.shape[2]), features.dtype)
        factors = self._of_edges(block, features), features[0], features[1:], block.harmonics
        density.forward(0, block.n_atoms, *factors, self.sweeps, block.sender, block.order, block.starts, unmixed)
        self.mix.value(block.n_atoms, unmixed, mixed)
        return mixed

    def gradient(
        self,
        block: Block,
        features: np.ndarray,
        of_density: np.ndarray,
        of_features: np.ndarray,
        of_basis: np.ndarray,
        of_harmonics: np.ndarray,
    ) -> None:
        """Add the derivatives by the senders' features and the edges' functions."""
        unmixed = np.empty_like(of_density)
        self.mix.gradient(block.n_atoms, of_density, unmixed)
        radial = self._of_edges(block, features)
        of_radial, of_y = np.empty_like(radial), np.empty_like(of_harmonics)
        density.backward(
            *(0, block.n_atoms, unmixed, radial, features[0], features[1:], block.harmonics, self.sweeps),
            *(block.sender, block.order, block.starts, of_radial, of_y, of_features[0], of_features[1:]),
        )
        self.radial.gradient(
            len(radial), of_radial.reshape(1, len(radial), self.radial.back.shape[1]), of_basis[None], add=True
        )
        of_harmonics += of_y

    def _of_edges(self, block: Block, features: np.ndarray) -> np.ndarray:
        """The radial functions: computed twice, for they would be the largest array by far."""
        radial = np.empty((1, len(block.sender), self.radial.there.shape[2]), features.dtype)
        self.radial.value(len(block.sender), block.basis[None], radial)
        channels = features.shape[2]
        return radial.reshape(len(block.sender), radial.shape[2] // channels, channels)


class _DensityOfKinds:
    """`DensityConv.of_kinds` of a table's rows, one for each species, and the mixing of its channels."""

    of_constants = True

    def __init__(self, conv: DensityConv, mix: IrrepsLinear, table: Tensor) -> None:
        weight = conv.kind_weight(table, mix).detach() / conv.normalization
        self.dim = len(weight)
        # one of each degree: components share theirs
        self.weight = _Linear(weight[np.unique(component_degrees(self.dim), return_index=True)[1]], self.dim)

    def value(self, block: Block, features: np.ndarray) -> np.ndarray:
        out = np.empty((self.dim, block.n_atoms, features.shape[2]), features.dtype)
        sums = np.zeros((self.dim, block.n_atoms, self.weight.there.shape[1]), features.dtype)
        kinds.forward(0, block.n_atoms, block.basis, block.harmonics, self._slot(block), block.starts, sums)
        self.weight.value(block.n_atoms, sums, out)
        return out

    def gradient(
        self,
        block: Block,
        features: np.ndarray,
        of_density: np.ndarray,
        of_features: np.ndarray,
        of_basis: np.ndarray,
        of_harmonics: np.ndarray,
    ) -> None:
        """As `_Density`; the features are constants."""
        of_sums = np.empty((self.dim, block.n_atoms, self.weight.there.shape[1]), features.dtype)
        self.weight.gradient(block.n_atoms, of_density, of_sums)
        edges = block.basis, block.harmonics, self._slot(block), block.starts
        kinds.backward(0, block.n_atoms, of_sums, *edges, of_basis, of_harmonics)

    def _slot(self, block: Block) -> np.ndarray:
        """Where the functions of each edge go."""
        return block.neighbour * block.basis.shape[1]


class FrozenReadout:
    """`Readout` of 0e: a linear map, or one hidden layer before it."""

    def __init__(self, readout: Readout) -> None:
        self.first: _Linear | None = None
        if isinstance(readout.read, nn.Sequential):
            first = cast(nn.Linear, readout.read[0])
            self.first, self.bias = _Linear(first.weight.T.unsqueeze(0), 1), first.bias.detach().numpy().copy()
        self.last = cast(Tensor, readout.last.weight).detach()[0].numpy().copy()

    def inputs(self, scalars: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """(what the last linear map reads, the hidden layer and its sigmoid)."""
        if self.first is None:
            return scalars, None
        hidden = np.empty((1, len(scalars), len(self.last)), scalars.dtype)
        self.first.value(len(scalars), scalars[None], hidden)
        hidden = hidden[0] + self.bias
        sigmoid = 0.5 + 0.5 * np.tanh(0.5 * hidden)
        return hidden * sigmoid, (hidden, sigmoid)

    def gradient(self, of_read: np.ndarray, kept: tuple[np.ndarray, ...] | None) -> np.ndarray:
        """Derivative by the scalars, from that by what the last linear map reads."""
        if self.first is None or kept is None:
            return of_read
        hidden, sigmoid = kept
        of_hidden = of_read * sigmoid * (1 + hidden * (1 - sigmoid))
        out = np.empty((1, len(of_read), self.first.there.shape[1]), of_read.dtype)
        self.first.gradient(len(of_read), of_hidden[None], out)
        return out[0]
