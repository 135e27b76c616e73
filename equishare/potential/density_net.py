"""DensityNet: density convolutions on edges, many-body products on atoms."""

from collections.abc import Iterable
from itertools import pairwise
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from equishare.nn import ChannelProduct, DensityConv, Edges, IrrepsLinear, RadialBasis, Readout, SphericalHarmonics
from equishare.nn.e3.density_conv import natural_irreps
from equishare.nn.e3.folding import Foldable
from equishare.ops.edge_functions.operation import edge_functions
from equishare.potential.config import ModelConfig


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
        self.conv = DensityConv(irreps_in, l_density, config.n_basis, normalization=neighbours**0.5)
        self.channel_mix = IrrepsLinear(density, density)
        orders = config.body_order - 1
        self.products = nn.ModuleList()
        self.mixes = nn.ModuleList([IrrepsLinear(density, irreps_out)])
        for order in range(2, orders + 1):
            target = middle if order < orders else irreps_out
            left, right = (density, None) if order == 2 else (middle, density)
            self.products.append(ChannelProduct(left, right, target, n_species))
            self.mixes.append(IrrepsLinear(target, irreps_out))
        self.skip = IrrepsLinear(irreps_in, natural_irreps(channels, min(l_in, l_out)))
        self.species_scale = nn.Parameter(torch.ones(n_species, channels))
        with torch.no_grad():
            self.channel_mix.weight.copy_(torch.eye(channels) * channels**0.5)
            for mix in self.mixes:
                mix.weight *= len(self.mixes) ** -0.5

    def forward(
        self,
        features: Float[Tensor, "atoms dim channels"],
        basis: Float[Tensor, "edges n_basis"],
        harmonics: Float[Tensor, "edges components"],
        edges: Edges,
        species: Int[Tensor, "atoms"],
        table: Float[Tensor, "species channels"] | None = None,
    ) -> Float[Tensor, "atoms dim_out channels"]:
        """Update the features of every atom; where they are ``table[species]``, giving the table too is faster."""
        if table is None:
            density = self.channel_mix(self.conv(features, basis, harmonics, edges))
        else:
            weight = self._of_weights("kinds", lambda: self.conv.kind_weight(table, self.channel_mix))
            density = self.conv.of_kinds(weight, species, basis, harmonics, edges)
        updated = self.mixes[0](density)
        power = density
        for order, product in enumerate(self.products):
            power = product(power, None, species) if order == 0 else product(power, density, species)
            updated = updated + self.mixes[order + 1](power)
        kept = self.skip(features) * self.species_scale.index_select(0, species).unsqueeze(1)
        missing = updated.shape[1] - kept.shape[1]
        return updated + (torch.nn.functional.pad(kept, (0, 0, 0, missing)) if missing else kept)


class DensityNet(nn.Module):
    r"""Per-atom energies, and charges and atomic dipoles if wanted, from edge vectors.

    .. math:: e_i = \gamma(\rho_i) \sum_t \mathrm{Readout}_t(x_i^{(t)}), \qquad
              \rho_i = \sum_j f(r_{ij} / r_c), \quad \gamma(\rho) = 1 - e^{-\rho}

    An atom without neighbours has energy zero, reached smoothly. Energies are invariant and dipoles equivariant under
    O(3), translations and permutations: exact.

    Args:
        config: Shape of the network.
        n_species: Number of chemical elements.
        neighbours: Mean number of neighbours in the training data: keeps the variance of the densities near one.
        spacing: Mean distance in Å of an atom to its nearest neighbour in the training data: a little beyond it radial functions decay.

    Shapes:
        vectors ``[edges, 3]`` in Å (receiver to sender), species ``[atoms]`` in 0..n_species - 1.
    """

    def __init__(self, config: ModelConfig, n_species: int, neighbours: float, spacing: float) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.few_species = n_species <= neighbours
        self.embedding = nn.Embedding(n_species, channels)
        self.harmonics = SphericalHarmonics(config.l_density)
        self.basis = RadialBasis(config.cutoff, config.n_basis, decay_length=1.2 * spacing)
        l_last = 1 if config.dipole else 0
        degrees = [0, *[config.l_features] * (config.layers - 1), l_last]
        self.layers = nn.ModuleList(
            DensityLayer(config, l_in, l_out, n_species, max(neighbours, 1.0)) for l_in, l_out in pairwise(degrees)
        )
        widths = [None] * (config.layers - 1) + [config.n_hidden]
        self.energies = nn.ModuleList(
            Readout(natural_irreps(channels, degree), "0e", width)
            for degree, width in zip(degrees[1:], widths, strict=True)
        )
        if config.dipole:
            self.charge = Readout(natural_irreps(channels, l_last), "0e", config.n_hidden)
            self.atomic_dipole = Readout(natural_irreps(channels, l_last), "1o")

    def forward(
        self, vectors: Float[Tensor, "edges 3"], species: Int[Tensor, "atoms"], edges: Edges, curvature: bool = True
    ) -> tuple[
        Float[Tensor, "atoms"],
        Float[Tensor, "atoms"],
        Float[Tensor, "atoms 3"] | None,
        Tensor | None,
        list[Float[Tensor, "atoms _"]],
    ]:
        """Return (energy, bonding γ, atomic dipole or None, charge or None, inputs of the energy's linear maps) of each atom.

        The energy is not yet scaled by γ. Without `curvature` second derivatives by the vectors are wrong (see `edge_functions`).
        """
        basis, envelope, harmonics = edge_functions(vectors, self.basis.radial, self.harmonics.l_max, curvature)
        coordination = torch.zeros_like(species, dtype=vectors.dtype).index_add(0, edges.receiver, envelope)
        bonding = 1 - torch.exp(-coordination)
        features = self.embedding(species).unsqueeze(1)
        table = self.embedding.weight if self.few_species else None
        energy = torch.zeros_like(bonding)
        inputs = []
        for layer, readout in zip(self.layers, cast(Iterable[Readout], self.energies), strict=True):
            features, table = layer(features, basis, harmonics, edges, species, table), None
            read = readout.inputs(features)
            energy = energy + readout.last(read).flatten()
            inputs.append(read.squeeze(1))
        if not self.config.dipole:
            return energy, bonding, None, None, inputs
        charge = self.charge(features).squeeze(1) * bonding
        dipole = self.atomic_dipole(features) * bonding.unsqueeze(1)
        return energy, bonding, dipole, charge, inputs
