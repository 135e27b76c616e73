"""DensityNet: density convolutions on edges, many-body products on atoms."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn

from equishare.nn import ChannelProduct, DensityConv, IrrepsLinear, RadialBasis, Readout, SphericalHarmonics
from equishare.nn.e3.density_conv import natural_irreps
from equishare.nn.e3.folding import Foldable
from equishare.potential.conditions import Conditions
from equishare.potential.config import ModelConfig
from equishare.potential.operations import LayerOperations, Operations


class DensityLayer(Foldable):
    r"""One round: density, its powers up to the body order, a linear map per irrep, and the features kept.

    .. math:: A = W \, \mathrm{DensityConv}(x), \quad B_2 = A \otimes A, \quad B_{k+1} = B_k \otimes A, \quad
              x' = \sum_k W_k B_k + V_{z} x

    with a channel-wise product whose path weights depend on the atom's species. W mixes the channels, so that the product couples
    densities of unlike neighbours and radial functions; it starts as the identity. Equivariant under O(3), translations and
    permutations: exact.
    """

    def __init__(self, config: ModelConfig, l_in: int, l_out: int, n_species: int, neighbours: float) -> None:
        super().__init__()
        channels, l_density = config.channels, config.l_density
        irreps_in, irreps_out = natural_irreps(channels, l_in), natural_irreps(channels, l_out)
        density, middle = natural_irreps(channels, l_density), natural_irreps(channels, config.l_features)

        def mix(degree: int) -> IrrepsLinear:
            """To the irreps of the output, as far as there are any in the input."""
            return IrrepsLinear(natural_irreps(channels, degree), natural_irreps(channels, min(degree, l_out)))

        self.conv = DensityConv(irreps_in, l_density, config.n_basis, normalization=neighbours**0.5)
        self.channel_mix = IrrepsLinear(density, density)
        orders = config.body_order - 1
        self.products = nn.ModuleList()
        self.mixes = nn.ModuleList([mix(l_density)])
        for order in range(2, orders + 1):
            target = middle if order < orders else irreps_out
            left, right = (density, None) if order == 2 else (middle, density)
            self.products.append(ChannelProduct(left, right, target, n_species))
            self.mixes.append(mix(config.l_features if order < orders else l_out))
        self.skip = IrrepsLinear(irreps_in, natural_irreps(channels, min(l_in, l_out)))
        self.species_scale = nn.Parameter(torch.ones(n_species, channels))
        self.dim_out = (l_out + 1) ** 2
        with torch.no_grad():
            self.channel_mix.weight.copy_(torch.eye(channels) * channels**0.5)
            for mix in self.mixes:
                mix.weight *= len(self.mixes) ** -0.5

    def forward(self, ops: LayerOperations, features: Any, table: Tensor | None = None) -> Any:
        """Update the features of the atoms; where they are the rows of a table, one a species, giving it too is faster."""
        density = ops.density(self, features, table)
        first, *mixes = self.mixes
        updated = ops.linear(cast(IrrepsLinear, first), density, ops.skip(self, features))
        power = density
        for order, (product, mix) in enumerate(zip(self.products, mixes, strict=True)):
            power = ops.product(cast(ChannelProduct, product), power, density if order else None)
            updated = ops.linear(cast(IrrepsLinear, mix), power, updated)
        return updated

    def kind_weight(self, table: Tensor) -> Tensor:
        """What sums over each species' neighbours are multiplied with, see `DensityConv.of_kinds`."""
        return self._of_weights("kinds", lambda: self.conv.kind_weight(table, self.channel_mix))


class DensityNet(nn.Module):
    r"""Features of atoms, layer after layer, from edge vectors, and how bonded each atom is.

    .. math:: \gamma(\rho_i) = 1 - e^{-\rho_i}, \qquad \rho_i = \sum_j f(r_{ij} / r_c)

    What the heads read is multiplied with γ: of an atom without neighbours they read nothing, reached smoothly. Features are
    equivariant and γ is invariant under O(3), translations and permutations: exact.

    Args:
        config: Shape of the network.
        n_species: Number of chemical elements.
        neighbours: Mean number of neighbours in the training data: keeps the variance of the densities near one.
        spacing: Mean distance in Å of an atom to its nearest neighbour in the training data: a little beyond it radial functions decay.
        l_last: Highest degree of the last layer's features, which the heads need.
    """

    def __init__(self, config: ModelConfig, n_species: int, neighbours: float, spacing: float, l_last: int = 0) -> None:
        super().__init__()
        self.few_species = n_species <= neighbours
        self.embedding = nn.Embedding(n_species, config.channels)
        self.harmonics = SphericalHarmonics(config.l_density)
        self.basis = RadialBasis(config.cutoff, config.n_basis, decay_length=1.2 * spacing)
        self.degrees = [0, *[config.l_features] * (config.layers - 1), l_last]
        self.layers = nn.ModuleList(
            DensityLayer(config, l_in, l_out, n_species, max(neighbours, 1.0)) for l_in, l_out in pairwise(self.degrees)
        )
        self.conditions = Conditions(config) if config.conditions else None

    def forward(
        self, ops: Operations, readout: Readout, scale: float, given: dict[str, Any] | None = None
    ) -> tuple[list[Any], Any, tuple[Any, Any]]:
        """Features of the atoms, how bonded they are, and what is read of the last layer.

        Args:
            ops: The side to run on.
            readout: Reads the last layer's part of the energy.
            scale: Of that part.
            given: Conditions of each structure, where there are any.

        Returns:
            (features after each layer, γ, (inputs of the readout, its numbers)).
        """
        envelope = ops.edge_functions(self.basis.radial, self.harmonics.l_max)
        bonding = ops.saturate(ops.at_receivers(envelope))
        features = ops.embed(self.embedding.weight)
        table = self.embedding.weight if self.few_species else None
        found: list[Any] = []
        *layers, last = cast(Iterable[DensityLayer], self.layers)
        for layer in layers:
            features, table = ops.layer(layer, features, table), None
            if self.conditions is not None and not found:
                features = self.conditions(ops, features, bonding, given or {})
            found.append(features)
        if self.conditions is not None and not found:
            features = self.conditions(ops, ops.layer(last, features, table), bonding, given or {})
            inputs = ops.read_inputs(readout, features)
            return [features], bonding, (inputs, ops.read(readout, inputs))
        features, inputs, numbers = ops.last_layer(last, features, table, readout, scale * ops.plain(bonding))
        return [*found, features], bonding, (inputs, numbers)
