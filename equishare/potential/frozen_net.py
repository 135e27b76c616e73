"""A DensityNet whose weights do not change: value and gradient without a tape."""

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from equishare.nn import ChannelProduct, DensityConv, Edges, IrrepsLinear, Readout
from equishare.nn.e3.kernels import density_numba
from equishare.nn.e3.kernels.edge_functions import edge_sweep
from equishare.nn.e3.kernels.product import product_gradient, product_value

if TYPE_CHECKING:
    from equishare.potential.density_net import DensityLayer, DensityNet


class FrozenNet:
    """What `DensityNet` does to edge vectors, written out with its derivative, for evaluation over and over as in dynamics.

    The same loops and matrix products, without what autograd adds to each of some hundred small operations: on a small molecule that
    is a third of the time. Energies, bonding factors and the readouts' inputs are differentiable by the vectors, once; weights are
    constants. Features are component-major here: ``[(l, m), atom, channel]``.

    Args:
        net: Of which it takes the weights as they are now.
    """

    def __init__(self, net: "DensityNet") -> None:
        with torch.no_grad():
            self.radial, self.l_max = net.basis, net.harmonics.l_max
            self.embedding = net.embedding.weight.detach()
            table = self.embedding if net.few_species else None
            layers, readouts = cast("list[DensityLayer]", net.layers), cast(list[Readout], net.energies)
            self.layers = [_FrozenLayer(layer, None if k else table) for k, layer in enumerate(layers)]
            self.readouts = [_FrozenReadout(readout) for readout in readouts]

    def __call__(self, vectors: Tensor, species: Tensor, edges: Edges) -> tuple[Tensor, ...]:
        """(energy, bonding factor, input of each readout's last linear map), see `DensityNet.forward`."""
        return _Evaluate.apply(vectors, species, edges, self)

    def value(self, vectors: Tensor, species: Tensor, edges: Edges) -> tuple[tuple[Tensor, ...], tuple[Any, ...]]:
        """The outputs, and what `gradient` takes of the way to them."""
        (basis, envelope, harmonics), slopes = edge_sweep(vectors, self.radial, self.l_max)
        graph = _Graph(species, edges, basis, harmonics)
        coordination = envelope.new_zeros(edges.n_atoms).index_add(0, edges.receiver, envelope)
        away = torch.exp(-coordination)
        features = self.embedding.index_select(0, species).unsqueeze(0)
        energy, inputs, kept = torch.zeros_like(away), [], []
        for layer, readout in zip(self.layers, self.readouts, strict=True):
            features, of_layer = layer.value(features, graph)
            read, hidden = readout.inputs(features[0])
            energy = torch.addmv(energy, read, readout.last)
            inputs.append(read)
            kept.append((of_layer, hidden))
        return (energy, 1 - away, *inputs), (graph, slopes, away, kept)

    def gradient(self, kept: tuple[Any, ...], energy: Tensor, bonding: Tensor, inputs: tuple[Tensor, ...]) -> Tensor:
        """Derivative by the vectors, from those by the outputs."""
        graph, slopes, away, of_layers = kept
        of_basis, of_harmonics = torch.zeros_like(graph.basis), torch.zeros_like(graph.harmonics)
        of_features: Tensor | None = None
        layers = zip(self.layers, self.readouts, inputs, of_layers, strict=True)
        for layer, readout, of_input, (of_layer, hidden) in reversed(list(layers)):
            if of_features is None:
                of_features = energy.new_zeros(layer.dim_out, len(energy), self.embedding.shape[1])
            of_features[0] += readout.gradient(torch.addr(of_input, energy, readout.last), hidden)
            of_features = layer.gradient(of_layer, of_features, graph, of_basis, of_harmonics)
        of_envelope = (bonding * away).index_select(0, graph.edges.receiver)
        return slopes.gradient(of_basis, of_envelope, of_harmonics)


class _Evaluate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, species: Tensor, edges: Edges, net: FrozenNet) -> tuple[Tensor, ...]:
        outputs, ctx.kept = net.value(vectors, species, edges)
        ctx.net = net
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, energy: Tensor, bonding: Tensor, *inputs: Tensor) -> tuple[Tensor | None, ...]:
        return ctx.net.gradient(ctx.kept, energy, bonding, inputs), None, None, None


class _Graph(NamedTuple):
    """What all layers see."""

    species: Tensor
    edges: Edges
    basis: Tensor
    harmonics: Tensor


class _FrozenLayer:
    """`DensityLayer`."""

    def __init__(self, layer: "DensityLayer", table: Tensor | None) -> None:
        self.density: _Density | _DensityOfKinds = (
            _Density(layer.conv, layer.channel_mix)
            if table is None
            else _DensityOfKinds(layer.conv, layer.channel_mix, table)
        )
        products = cast(list[ChannelProduct], layer.products)
        self.products = [(product.weight.detach(), product.coupling) for product in products]
        # irreps that a map leaves out are the last ones
        self.mixes = [mix.expanded().detach() for mix in cast(list[IrrepsLinear], layer.mixes)]
        self.skip = layer.skip.expanded().detach()
        self.species_scale = layer.species_scale.detach()
        self.dim_out = len(self.mixes[0])

    def value(self, features: Tensor, graph: _Graph) -> tuple[Tensor, tuple[Any, ...]]:
        density, kept = self.density.value(features, graph)
        powers = [density]
        for order, (weight, coupling) in enumerate(self.products):
            powers.append(product_value(powers[-1], density if order else None, weight, graph.species, coupling))
        out = torch.bmm(density[: self.dim_out], self.mixes[0])
        for power, mix in zip(powers[1:], self.mixes[1:], strict=True):
            out.baddbmm_(power[: self.dim_out], mix)
        scale = self.species_scale.index_select(0, graph.species)
        out[: len(self.skip)].addcmul_(torch.bmm(features[: len(self.skip)], self.skip), scale)
        return out, (kept, powers, scale)

    def gradient(
        self, kept: tuple[Any, ...], of_out: Tensor, graph: _Graph, of_basis: Tensor, of_harmonics: Tensor
    ) -> Tensor | None:
        """Derivative by the features, None where they are constants; those by the edges' functions are added to."""
        of_density, powers, scale = kept
        grads = [torch.zeros_like(power) for power in powers]
        for grad, mix in zip(grads, self.mixes, strict=True):
            torch.bmm(of_out, mix.mT, out=grad[: self.dim_out])
        for order in reversed(range(1, len(self.products))):
            weight, coupling = self.products[order]
            factors = powers[order], powers[0]
            product_gradient(grads[order + 1], *factors, weight, graph.species, coupling, grads[order], grads[0])
        if self.products:
            weight, coupling = self.products[0]
            second = torch.zeros_like(grads[0])  # may not overlap the first
            product_gradient(grads[1], powers[0], None, weight, graph.species, coupling, grads[0], second)
            grads[0] += second
        of_features = self.density.gradient(of_density, grads[0], graph, of_basis, of_harmonics)
        if of_features is None:
            return None
        of_features[: len(self.skip)].baddbmm_(of_out[: len(self.skip)] * scale, self.skip.mT)
        return of_features


class _Density:
    """`DensityConv` and the mixing of its channels."""

    def __init__(self, conv: DensityConv, mix: IrrepsLinear) -> None:
        self.radial = conv.radial.weight.detach() / conv.normalization
        self.mix = mix.expanded().detach()

    def value(self, features: Tensor, graph: _Graph) -> tuple[Tensor, tuple[Tensor, ...]]:
        radial = torch.mm(graph.basis, self.radial.T).unflatten(1, (-1, features.shape[2]))
        density = density_numba.value(radial, features[0], features[1:], graph.harmonics, graph.edges)
        return torch.bmm(density, self.mix), (radial, features)

    def gradient(
        self, kept: tuple[Tensor, ...], of_density: Tensor, graph: _Graph, of_basis: Tensor, of_harmonics: Tensor
    ) -> Tensor:
        radial, features = kept
        unmixed = torch.bmm(of_density, self.mix.mT)
        of_radial, of_scalars, of_rest, of_y = density_numba.gradient(
            unmixed, radial, features[0], features[1:], graph.harmonics, graph.edges
        )
        of_basis.addmm_(of_radial.flatten(1), self.radial)
        of_harmonics += of_y
        return torch.cat([of_scalars.unsqueeze(0), of_rest])


class _DensityOfKinds:
    """`DensityConv.of_kinds` of a table's rows, one for each species, and the mixing of its channels."""

    def __init__(self, conv: DensityConv, mix: IrrepsLinear, table: Tensor) -> None:
        self.weight = conv.kind_weight(table, mix).detach() / conv.normalization
        self.n_kinds = len(table)

    def value(self, features: Tensor, graph: _Graph) -> tuple[Tensor, tuple[Tensor, ...]]:
        species, edges, basis, harmonics = graph
        slot = edges.receiver * self.n_kinds + species.index_select(0, edges.sender)
        terms = (basis.unsqueeze(2) * harmonics.unsqueeze(1)).flatten(1)
        sums = terms.new_zeros(edges.n_atoms * self.n_kinds, terms.shape[1]).index_add(0, slot, terms)
        rows = sums.view(edges.n_atoms, -1, harmonics.shape[1]).permute(2, 0, 1).contiguous()
        return torch.bmm(rows, self.weight), (slot,)

    def gradient(
        self, kept: tuple[Tensor, ...], of_density: Tensor, graph: _Graph, of_basis: Tensor, of_harmonics: Tensor
    ) -> None:
        (slot,) = kept
        _, _, basis, harmonics = graph
        of_rows = torch.bmm(of_density, self.weight.mT).permute(1, 2, 0)
        shape = basis.shape[1], harmonics.shape[1]
        of_terms = of_rows.reshape(-1, shape[0] * shape[1]).index_select(0, slot).unflatten(1, shape)
        of_basis += torch.bmm(of_terms, harmonics.unsqueeze(2)).squeeze(2)
        of_harmonics += (of_terms * basis.unsqueeze(2)).sum(1)


class _FrozenReadout:
    """`Readout` of 0e: a linear map, or one hidden layer before it."""

    def __init__(self, readout: Readout) -> None:
        self.first: nn.Linear | None = None
        if isinstance(readout.read, nn.Sequential):
            self.first = cast(nn.Linear, readout.read[0])
        self.last = cast(Tensor, readout.last.weight).detach()[0]

    def inputs(self, scalars: Tensor) -> tuple[Tensor, Tensor | None]:
        """(what the last linear map reads, the hidden layer before its nonlinearity)."""
        if self.first is None:
            return scalars, None
        hidden = self.first(scalars)
        return torch.nn.functional.silu(hidden), hidden

    def gradient(self, of_read: Tensor, hidden: Tensor | None) -> Tensor:
        """Derivative by the scalars, from that by what the last linear map reads."""
        if self.first is None or hidden is None:
            return of_read
        sigmoid = torch.sigmoid(hidden)
        return torch.mm(of_read * sigmoid * (1 + hidden * (1 - sigmoid)), self.first.weight)
