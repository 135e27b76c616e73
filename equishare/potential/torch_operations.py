"""The operations of the network on tensors; autograd differentiates. What each does, `equishare.potential.operations` says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from equishare.nn import ChannelProduct, Edges, IrrepsLinear, Readout
from equishare.ops.edge_functions.operation import edge_functions
from equishare.ops.edge_functions.torch import Radial

if TYPE_CHECKING:
    from equishare.potential.density_net import DensityLayer
    from equishare.potential.long_range import Space
    from equishare.potential.repulsion import ZBL


@dataclass
class TorchOperations:
    """`Operations` and `LayerOperations` on tensors; autograd differentiates.

    Args:
        vectors: Of the edges, ``[edges, 3]`` in Å, from receiver to sender.
        species: Index of each atom's element.
        edges: The graph.
        batch: Structure of each atom.
        n_graphs: Number of structures.
        curvature: Whether second derivatives by the vectors may be asked for.
        create_graph: Whether gradients are to be differentiated once more.
        space: Where the atoms are, for interactions beyond the cutoff.
    """

    vectors: Tensor
    species: Tensor
    edges: Edges
    batch: Tensor
    n_graphs: int
    curvature: bool = True
    create_graph: bool = False
    space: "Space | None" = None
    _seen: Tensor | None = None
    _functions: tuple[Tensor, Tensor] | None = field(default=None, repr=False)

    def repel(self, repulsion: "ZBL") -> Tensor:
        self._seen, energy = repulsion(self.vectors, self.species, self.edges)
        return energy

    def coulomb(self, charges: Tensor) -> Tensor:
        return self._space.coulomb(charges).to(charges.dtype)

    def remote_forces(self) -> Tensor:
        return -self._remote[0].to(self.vectors.dtype)

    def remote_virial(self) -> Tensor:
        whole = self._remote[1].to(self.vectors.dtype)
        return (whole + whole.transpose(1, 2)) / 2

    @property
    def _space(self) -> "Space":
        if self.space is None:
            raise RuntimeError("interactions beyond the cutoff need to know where the atoms are")
        return self.space

    @property
    def _remote(self) -> tuple[Tensor, Tensor]:
        if self._space.gradients is None:
            raise RuntimeError("forces beyond the cutoff come with the gradient of the energy")
        return self._space.gradients

    def edge_functions(self, radial: Radial, l_max: int) -> Tensor:
        seen = self.vectors if self._seen is None else self._seen
        basis, envelope, harmonics = edge_functions(seen, radial, l_max, self.curvature)
        self._functions = basis, harmonics
        return envelope

    def embed(self, table: Tensor) -> Tensor:
        return torch.nn.functional.embedding(self.species, table).unsqueeze(1)

    def layer(self, layer: "DensityLayer", features: Tensor, table: Tensor | None) -> Tensor:
        return layer(self, features, table)

    def last_layer(
        self, layer: "DensityLayer", features: Tensor, table: Tensor | None, readout: Readout, slope: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        found = layer(self, features, table)
        inputs = self.read_inputs(readout, found)
        return found, inputs, self.read(readout, inputs)

    def skip(self, layer: "DensityLayer", features: Tensor) -> Tensor:
        kept = layer.skip(features) * layer.species_scale.index_select(0, self.species).unsqueeze(1)
        missing = layer.dim_out - kept.shape[1]
        return torch.nn.functional.pad(kept, (0, 0, 0, missing)) if missing else kept

    def density(self, layer: "DensityLayer", features: Tensor, table: Tensor | None) -> Tensor:
        if self._functions is None:
            raise RuntimeError("the functions of the edges are evaluated before the layers")
        if table is None:
            return layer.channel_mix(layer.conv(features, *self._functions, self.edges))
        return layer.conv.of_kinds(layer.kind_weight(table), self.species, *self._functions, self.edges)

    def product(self, layer: ChannelProduct, left: Tensor, right: Tensor | None = None) -> Tensor:
        return layer(left, right, self.species)

    def linear(self, layer: IrrepsLinear, features: Tensor, onto: Tensor) -> Tensor:
        mapped = layer(features)
        missing = onto.shape[1] - mapped.shape[1]
        return onto + (torch.nn.functional.pad(mapped, (0, 0, 0, missing)) if missing else mapped)

    def scalars(self, features: Tensor) -> Tensor:
        return features[:, 0]

    def with_scalars(self, features: Tensor, more: Tensor) -> Tensor:
        return torch.cat([features[:, :1] + more.unsqueeze(1), features[:, 1:]], dim=1)

    def read_inputs(self, readout: Readout, features: Tensor) -> Tensor:
        inputs = readout.inputs(features)
        return inputs.squeeze(1) if readout.irrep.dim == 1 else inputs

    def read(self, readout: Readout, inputs: Tensor) -> Tensor:
        return readout.last(inputs).squeeze(-1)

    def affine(self, rows: Tensor, weight: Tensor) -> Tensor:
        return rows @ weight.T.to(rows.dtype)

    def saturate(self, numbers: Tensor) -> Tensor:
        return 1 - torch.exp(-numbers)

    def softplus(self, numbers: Tensor) -> Tensor:
        return torch.nn.functional.softplus(numbers)

    def real(self, integers: Tensor) -> Tensor:
        return integers.to(self.vectors.dtype)

    def rows(self, table: Tensor, index: Tensor) -> Tensor:
        return table.index_select(0, index)

    def column(self, numbers: Tensor) -> Tensor:
        return numbers.unsqueeze(1)

    def concatenate(self, parts: list[Tensor]) -> Tensor:
        return torch.cat(parts, dim=1)

    def of_species(self, values: Mapping[str, float], exact: bool = False) -> Tensor:
        # made anew: exact in any dtype of the weights
        dtype = torch.float64 if exact else self.vectors.dtype
        return torch.tensor(list(values.values()), dtype=dtype, device=self.species.device).index_select(
            0, self.species
        )

    def exact(self, numbers: Tensor) -> Tensor:
        return numbers.double()

    def sum_atoms(self, numbers: Tensor) -> Tensor:
        return numbers.new_zeros(self.n_graphs, *numbers.shape[1:]).index_add(0, self.batch, numbers)

    def to_atoms(self, numbers: Tensor) -> Tensor:
        return numbers.index_select(0, self.batch)

    def at_receivers(self, numbers: Tensor) -> Tensor:
        return self._at(numbers, self.edges.receiver)

    def at_senders(self, numbers: Tensor) -> Tensor:
        return self._at(numbers, self.edges.sender)

    def _at(self, numbers: Tensor, atoms: Tensor) -> Tensor:
        return numbers.new_zeros(self.species.shape[0], *numbers.shape[1:]).index_add(0, atoms, numbers)

    def constant(self, tensor: Tensor) -> Tensor:
        return tensor

    def plain(self, numbers: Tensor) -> Tensor:
        return numbers

    def gradient(self, value: Tensor, seed: Tensor | None = None) -> Tensor:
        if self.vectors.shape[0] == 0 and self.space is None:
            return torch.zeros_like(self.vectors)
        along = value if seed is None else value * seed
        # the derivatives of a committee's members come first, and leave the graph for the energy's
        retain = self.create_graph or seed is not None
        remote = self.space if seed is None else None
        inputs = (self.vectors,) if remote is None else (self.vectors, remote.positions, remote.strain)
        found, *others = torch.autograd.grad(
            along.sum(),
            inputs,
            create_graph=self.create_graph,
            retain_graph=retain,
            materialize_grads=remote is not None,
        )
        if remote is not None:
            remote.gradients = others[0], others[1]
        return found
