"""A DensityNet whose weights do not change: value and gradient without a tape."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch

from equishare.nn import Readout
from equishare.ops.edge_functions.operation import edge_gradient, edge_sweep
from equishare.potential.frozen_layers import BlockedGraph, FrozenLayer, FrozenReadout

if TYPE_CHECKING:
    from equishare.potential.density_net import DensityLayer, DensityNet


class FrozenNet:
    """What `DensityNet` does to edge vectors, written out with its derivative, for evaluation over and over as in dynamics.

    A layer runs through all of its loops for one block of atoms after the other: what lies between them stays in the cache. It works on
    arrays, for on a small molecule an operation on tensors costs more than what it computes. Features are component-major here:
    ``[(l, m), atom, channel]``.

    Args:
        net: Of which it takes the weights as they are now.
    """

    def __init__(self, net: "DensityNet") -> None:
        with torch.no_grad():
            self.radial, self.l_max = net.basis.radial, net.harmonics.l_max
            self.embedding = net.embedding.weight.detach().numpy().copy()
            table = net.embedding.weight if net.few_species else None
            layers, readouts = cast("list[DensityLayer]", net.layers), cast(list[Readout], net.energies)
            self.layers = [FrozenLayer(layer, None if k else table) for k, layer in enumerate(layers)]
            self.readouts = [FrozenReadout(readout) for readout in readouts]

    def value(
        self, vectors: np.ndarray, species: np.ndarray, sender: np.ndarray, receiver: np.ndarray
    ) -> tuple[list[np.ndarray], "_Kept"]:
        """(energy, bonding factor, inputs of each readout's last linear map), see `DensityNet.forward`; what `gradient` takes of the way."""
        order = None
        if (receiver[1:] < receiver[:-1]).any():
            order = np.argsort(receiver, kind="stable")
            vectors, sender, receiver = vectors[order], sender[order], receiver[order]
        (basis, envelope, harmonics), slopes = edge_sweep(vectors, self.radial, self.l_max)
        graph = BlockedGraph(species, sender, receiver, basis, harmonics, self.embedding.shape[1])
        away = np.exp(-np.bincount(receiver, envelope, len(species)).astype(envelope.dtype))
        features = self.embedding[species][None]
        energy, inputs, of_layers = np.zeros_like(away), [], []
        for layer, readout in zip(self.layers, self.readouts, strict=True):
            out, powers = layer.value(features, graph)
            read, hidden = readout.inputs(out[0])
            energy += np.einsum("nc,c->n", read, readout.last)
            inputs.append(read)
            of_layers.append((features, powers, hidden))
            features = out
        return [energy, 1 - away, *inputs], _Kept(graph, order, slopes, away, of_layers)

    def gradient(
        self,
        kept: "_Kept",
        energy: np.ndarray | None,
        bonding: np.ndarray | None,
        inputs: Sequence[np.ndarray | None] | None = None,
    ) -> np.ndarray:
        """Derivative by the vectors, from those by the outputs; None: does not depend on that output."""
        graph, order, slopes, away, of_layers = kept
        of_basis, of_harmonics = np.zeros_like(graph.basis), np.zeros_like(graph.harmonics)
        of_features: np.ndarray | None = None
        layers = zip(self.layers, self.readouts, inputs or [None] * len(of_layers), of_layers, strict=True)
        for layer, readout, of_read, (features, powers, hidden) in reversed(list(layers)):
            if of_features is None:
                of_features = np.zeros((layer.dim_out, *features.shape[1:]), features.dtype)
            if energy is not None:
                of_energy = np.multiply.outer(energy, readout.last)
                of_read = of_energy if of_read is None else of_read + of_energy
            if of_read is not None:
                of_features[0] += readout.gradient(of_read, hidden)
            of_features = layer.gradient(features, powers, of_features, graph, of_basis, of_harmonics)
        of_envelope = (np.zeros_like(away) if bonding is None else bonding * away)[graph.receiver]
        found = edge_gradient(slopes, of_basis, of_envelope, of_harmonics)
        if order is None:
            return found
        unsorted = np.empty_like(found)
        unsorted[order] = found
        return unsorted


class _Kept(NamedTuple):
    """What the derivative takes of the value."""

    graph: BlockedGraph
    order: np.ndarray | None
    slopes: tuple[np.ndarray, ...]
    away: np.ndarray
    of_layers: list[tuple[Any, ...]]
