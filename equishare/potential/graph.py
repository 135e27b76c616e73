"""Atoms as a graph."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import torch
from ase import Atoms
from torch import Tensor
from torch_geometric.data import Data

from equishare.potential.errors import GraphError


class AtomGraph(Data):
    """Atoms and their neighbours within a cutoff; one structure or a batch of them.

    ============== ======================= ==========================================================================
    field          shape                   meaning
    ============== ======================= ==========================================================================
    numbers        ``[atoms]`` int64       atomic numbers
    positions      ``[atoms, 3]``          Å
    cell           ``[graphs, 3, 3]``      Å, rows are cell vectors; zero where there is no cell
    edge_index     ``[2, edges]`` int64    PyG's order: row 0 sends, row 1 receives
    edge_shift     ``[edges, 3]``          integer cell shifts: r_ij = r_sender + shift @ cell - r_receiver
    batch          ``[atoms]`` int64       structure of each atom (in a batch)
    energy         ``[graphs]`` float64    eV, where labelled (NaN: not labelled)
    forces         ``[atoms, 3]``          eV/Å, where labelled (NaN: not labelled)
    stress         ``[graphs, 3, 3]``      eV/Å^3, ASE's sign, where labelled (NaN: not labelled)
    dipole         ``[graphs, 3]``         e·Å, where labelled (NaN: not labelled)
    ============== ======================= ==========================================================================
    """

    def __cat_dim__(self, key: str, value: object, *args: object, **kwargs: object) -> int:
        """Edges are joined along their last axis, everything else along its first."""
        return 1 if key == "edge_index" else 0

    @property
    def n_graphs(self) -> int:
        """Number of structures."""
        return self.cell.shape[0]

    @property
    def atom_batch(self) -> Tensor:
        """Structure of each atom, shape ``[atoms]``; zeros for a single structure."""
        batch = self.get("batch")
        return batch if batch is not None else torch.zeros_like(self.numbers)

    def edge_vectors(self) -> Tensor:
        """Vectors from receiver to sender in Å, shape ``[edges, 3]``."""
        sender, receiver = self.edge_index
        vectors = self.positions.index_select(0, sender) - self.positions.index_select(0, receiver)
        if self.n_graphs == 1:
            return vectors + self.edge_shift @ self.cell[0]
        cell = self.cell.index_select(0, self.atom_batch.index_select(0, receiver))
        return vectors + torch.einsum("ei,eij->ej", self.edge_shift, cell)


def from_atoms(atoms: Atoms, cutoff: float, dtype: torch.dtype = torch.float32) -> AtomGraph:
    """Graph of one structure: every pair of atoms, and of periodic images, closer than the cutoff.

    The neighbour list is vesin's, in float64; edges come sorted by receiver. A cell with periodic boundary conditions along
    some axes only is handled as ASE does; a molecule needs no cell.

    Args:
        atoms: Structure, positions in Å.
        cutoff: Radius in Å.
        dtype: Type of positions and cell.

    Raises:
        GraphError: if there are no atoms, a position is not finite, or a periodic cell has no volume.

    >>> from ase.build import molecule
    >>> from_atoms(molecule("H2O"), cutoff=5.0).edge_index.shape
    torch.Size([2, 6])
    """
    check_structure(atoms)
    sender, receiver, shift = neighbour_list(atoms, cutoff)
    return AtomGraph(
        numbers=torch.from_numpy(atoms.numbers.astype(np.int64)),
        positions=torch.tensor(atoms.positions, dtype=dtype),
        cell=torch.tensor(np.asarray(atoms.cell)[None], dtype=dtype),
        edge_index=torch.from_numpy(np.stack([sender, receiver])),
        edge_shift=torch.tensor(shift, dtype=dtype),
        num_nodes=len(atoms),
    )


def check_structure(atoms: Atoms) -> None:
    """Raise `GraphError` for a structure that has no graph."""
    if len(atoms) == 0:
        raise GraphError("expected a structure with at least one atom, got none")
    bad = ~np.isfinite(atoms.positions).all(axis=1)
    if bad.any():
        raise GraphError(f"position of atom {int(np.argmax(bad))} is not finite: {atoms.positions[np.argmax(bad)]}")
    if atoms.pbc.any() and not (np.isfinite(np.asarray(atoms.cell)).all() and _periodic_extent(atoms) > 1e-6):
        raise GraphError(
            f"periodic along {atoms.pbc.tolist()}, but the cell has no volume: {np.asarray(atoms.cell).tolist()}; "
            "give the cell vectors, or set pbc to False"
        )


def _periodic_extent(atoms: Atoms) -> float:
    """Volume (area, length) that the periodic cell vectors span."""
    vectors = np.asarray(atoms.cell)[np.asarray(atoms.pbc)]
    return float(np.sqrt(max(np.linalg.det(vectors @ vectors.T), 0.0)))


def neighbour_list(atoms: Atoms, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(sender, receiver, shift) of all pairs within the cutoff, sorted by receiver, then sender."""
    from vesin import NeighborList

    calculator = NeighborList(cutoff=cutoff, full_list=True)
    box = np.asarray(atoms.cell.complete()) if atoms.pbc.any() else np.zeros((3, 3))
    receiver, sender, shift = calculator.compute(
        points=atoms.positions, box=box, periodic=atoms.pbc.tolist(), quantities="ijS"
    )
    order = np.lexsort((shift[:, 2], shift[:, 1], shift[:, 0], sender, receiver))
    return sender[order].astype(np.int64), receiver[order].astype(np.int64), shift[order]


def collate(graphs: Sequence[AtomGraph]) -> AtomGraph:
    """Join structures into one batch: the fields of `torch_geometric.data.Batch`, made about six times faster.

    Every field of the first graph is joined; ``batch`` names the structure of each atom, ``ptr`` where each one starts.

    Raises:
        GraphError: if there is nothing to join, or a graph lacks a field of the first.

    >>> from ase.build import molecule
    >>> collate([from_atoms(molecule(name), 5.0) for name in ("H2O", "CH4")]).ptr
    tensor([0, 3, 8])
    """
    if not graphs:
        raise GraphError("expected at least one graph to make a batch, got none")
    stores = [graph._store for graph in graphs]
    names = [name for name, value in stores[0].items() if isinstance(value, Tensor)]
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
        num_nodes=starts[-1],
    )
