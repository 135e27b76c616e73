"""Atoms as a graph."""

from collections.abc import Iterator, MutableMapping, Sequence
from itertools import accumulate

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from equishare.atoms.neighbours import GraphError, Neighbours, check_apart, neighbour_list


class AtomGraph(MutableMapping[str, Tensor]):
    """Atoms and their neighbours within a cutoff; one structure or a batch of them. Fields are attributes and entries alike.

    ============== ======================= ==========================================================================
    field          shape                   meaning
    ============== ======================= ==========================================================================
    numbers        ``[atoms]`` int64       atomic numbers
    positions      ``[atoms, 3]``          Å
    cell           ``[graphs, 3, 3]``      Å, rows are cell vectors; zero where there is no cell
    edge_index     ``[2, edges]`` int64    PyG's order: row 0 sends, row 1 receives
    edge_shift     ``[edges, 3]``          integer cell shifts: r_ij = r_sender + shift @ cell - r_receiver
    batch          ``[atoms]`` int64       structure of each atom (in a batch)
    ============== ======================= ==========================================================================

    Labels and conditions are fields as well, by their names in `equishare.atoms.PROPERTIES`: ``[graphs, ...]`` or ``[atoms, ...]`` in the
    unit of the table, NaN where there is no label; conditions are int64. Names and order are PyG's: ``torch_geometric.data.Data(**graph)``.
    """

    numbers: Tensor
    positions: Tensor
    cell: Tensor
    edge_index: Tensor
    edge_shift: Tensor

    def __init__(self, **fields: Tensor) -> None:
        vars(self).update(fields)

    def __getattr__(self, name: str) -> Tensor:  # of a field that this graph lacks
        raise AttributeError(f"the graph has the fields {', '.join(self)}; it lacks {name}")

    def __setattr__(self, name: str, value: Tensor) -> None:
        vars(self)[name] = value

    def __getitem__(self, name: str) -> Tensor:
        return vars(self)[name]

    def __setitem__(self, name: str, value: Tensor) -> None:
        vars(self)[name] = value

    def __delitem__(self, name: str) -> None:
        del vars(self)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(vars(self))

    def __len__(self) -> int:
        return len(vars(self))

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={list(value.shape)}" for name, value in self.items())
        return f"AtomGraph({fields})"

    def to(self, device: torch.device | str) -> "AtomGraph":
        """The same graph on a device."""
        return AtomGraph(**{name: value.to(device) for name, value in self.items()})

    def clone(self) -> "AtomGraph":
        """A copy that shares nothing."""
        return AtomGraph(**{name: value.clone() for name, value in self.items()})

    @property
    def num_nodes(self) -> int:
        """Number of atoms."""
        return len(self.numbers)

    @property
    def n_graphs(self) -> int:
        """Number of structures."""
        return self.cell.shape[0]

    @property
    def atom_batch(self) -> Tensor:
        """Structure of each atom, shape ``[atoms]``; zeros for a single structure."""
        batch = self.get("batch")
        return torch.zeros_like(self.numbers) if batch is None else batch

    def edge_vectors(self) -> Tensor:
        """Vectors from receiver to sender in Å, shape ``[edges, 3]``."""
        sender, receiver = self.edge_index
        vectors = self.positions.index_select(0, sender) - self.positions.index_select(0, receiver)
        if self.n_graphs == 1:
            return vectors + self.edge_shift @ self.cell[0]
        cell = self.cell.index_select(0, self.atom_batch.index_select(0, receiver))
        return vectors + torch.einsum("ei,eij->ej", self.edge_shift, cell)


def from_atoms(atoms: Atoms, cutoff: float, neighbours: Neighbours | None = None) -> AtomGraph:
    """Graph of one structure: every pair of atoms, and of periodic images, closer than the cutoff.

    Edges come sorted by receiver. A cell with periodic boundary conditions along some axes only is handled as ASE does; a molecule needs no
    cell. Geometry is in float64, whatever the type of the potential, so that edges are as sharp far from the origin as near it.

    Args:
        atoms: Structure, positions in Å.
        cutoff: Radius in Å.
        neighbours: The pairs within the cutoff, where they are known; None: found here.

    Raises:
        GraphError: if there are no atoms, a position is not finite, two atoms are in one place, or a periodic cell has no volume.

    >>> from ase.build import molecule
    >>> from_atoms(molecule("H2O"), cutoff=5.0).edge_index.shape
    torch.Size([2, 6])
    """
    found = neighbour_list(atoms, cutoff) if neighbours is None else neighbours
    check_apart(atoms, found)
    sender, receiver, shift, _ = found
    return AtomGraph(
        numbers=torch.from_numpy(atoms.numbers.astype(np.int64)),
        positions=torch.tensor(atoms.positions, dtype=torch.float64),
        cell=torch.tensor(np.asarray(atoms.cell)[None], dtype=torch.float64),
        edge_index=torch.from_numpy(np.stack([sender, receiver])),
        edge_shift=torch.tensor(shift, dtype=torch.float64),
    )


def collate(graphs: Sequence[AtomGraph]) -> AtomGraph:
    """Join structures into one batch, with the fields that `torch_geometric.data.Batch` would have.

    Every field of the first graph is joined; ``batch`` names the structure of each atom, ``ptr`` where each one starts.

    Raises:
        GraphError: if there is nothing to join, or a graph lacks a field of the first.

    >>> from ase.build import molecule
    >>> collate([from_atoms(molecule(name), 5.0) for name in ("H2O", "CH4")]).ptr
    tensor([0, 3, 8])
    """
    if not graphs:
        raise GraphError("expected at least one graph to make a batch, got none")
    stores = [vars(graph) for graph in graphs]
    names = list(stores[0])
    lacking = {name for name in names for store in stores if name not in store}
    if lacking:
        raise GraphError(f"graphs of one batch must have the same fields; some lack {', '.join(sorted(lacking))}")
    device = stores[0]["numbers"].device
    sizes = [len(store["numbers"]) for store in stores]
    starts = list(accumulate(sizes, initial=0))
    joined = {name: torch.cat([store[name] for store in stores]) for name in names if name != "edge_index"}
    edges = [store["edge_index"] + start for store, start in zip(stores, starts, strict=False)]
    return AtomGraph(
        **joined,
        edge_index=torch.cat(edges, dim=1),
        batch=torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes)).to(device),
        ptr=torch.tensor(starts, device=device),
    )
