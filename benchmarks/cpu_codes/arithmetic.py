"""How much arithmetic energy and forces take, and how fast a core does arithmetic at best.

Multiplications and additions of the loops as they are, counted through the small interface that the network is written against: a map of n to m
channels takes 2nm, forwards and backwards alike, since weights are constants in dynamics. What takes less than a hundredth is left out:
radial functions, harmonics, readouts.
"""

import time
from typing import Any

import numpy as np

from equishare.nn import ChannelProduct, IrrepsLinear
from equishare.potential import ModelConfig, Potential, Statistics
from equishare.potential.density_net import DensityLayer


class CountingOperations:
    """`LayerOperations` that compute nothing: `flops` of an atom with so many neighbours, energy and forces."""

    def __init__(self, neighbours: float, n_species: int) -> None:
        self.neighbours, self.n_species, self.flops = neighbours, n_species, 0.0

    def skip(self, layer: DensityLayer, features: Any) -> None:
        """A linear map."""
        self.linear(layer.skip, None, None)

    def density(self, layer: DensityLayer, features: Any, table: Any) -> None:
        """Sums over neighbours and the mixing of channels."""
        conv, channels = layer.conv, layer.channel_mix.layout_in.channels
        n_basis, components = conv.radial.weight.shape[1], layer.channel_mix.layout_in.dim
        if table is not None:
            # basis times harmonics summed over the edges, and the derivatives by both; then one map for all
            self.flops += self.neighbours * n_basis * components * (2 + 4)
            self.flops += 2 * 2 * self.n_species * n_basis * channels * components
            return
        radial = 2 * n_basis * conv.radial.weight.shape[0]  # twice forwards, for it is not kept
        # each channel's radial function times the harmonics or the sender's features, summed; derivatives by all three
        terms = channels * (components + conv.layout_in.dim - 1)
        self.flops += self.neighbours * (3 * radial + 3 * terms + 6 * terms)
        self.linear(layer.channel_mix, None, None)

    def product(self, layer: ChannelProduct, left: Any, right: Any = None) -> None:
        """All paths."""
        # coefficient times left times right, added; backwards the coefficient times the gradient, and two sums
        self.flops += len(layer.coupling.entries) * layer.coupling.out.channels * (3 + 5)

    def linear(self, layer: IrrepsLinear, features: Any, onto: Any) -> None:
        """A matrix for each component."""
        self.flops += 2 * 2 * layer.layout_in.channels * layer.layout_out.channels * layer.layout_out.dim


def flops(config: ModelConfig, neighbours: float, n_species: int = 1) -> float:
    """Of an atom and step."""
    energies = dict.fromkeys(["H", "O", "C", "N"][:n_species], 0.0)
    statistics = Statistics(reference_energies=energies, neighbours=neighbours)
    net = Potential(config, statistics).net
    ops, table = CountingOperations(neighbours, n_species), net.embedding.weight if net.few_species else None
    for layer in net.layers:
        layer(ops, None, table)
        table = None
    return ops.flops


def peak(size: int = 768, repeats: int = 20) -> float:
    """Operations in float32 a second of one core's CPU time, in the best of some products of matrices."""
    left, right = np.random.default_rng(0).standard_normal((2, size, size)).astype(np.float32)
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        left @ right
        best = min(best, time.process_time() - start)
    return 2 * size**3 / best
