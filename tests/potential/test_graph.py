import pickle

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list

from equishare.potential import GraphError, collate, from_atoms

KINDS = ["molecule", "crystal", "slab"]


@pytest.mark.parametrize("cutoff", [1.6, 4.0])
@pytest.mark.parametrize("kind", KINDS)
def test_edges_are_those_of_ase(structures, kind, cutoff):
    atoms = structures[kind]
    graph = from_atoms(atoms, cutoff)
    receiver, sender, shift, vector = neighbor_list("ijSD", atoms, cutoff)
    theirs = sorted(zip(receiver.tolist(), sender.tolist(), shift.astype(int).tolist(), strict=True))
    ours = sorted(zip(*graph.edge_index.flip(0).tolist(), graph.edge_shift.int().tolist(), strict=True))
    assert ours == theirs
    lengths = graph.edge_vectors().norm(dim=1).numpy()
    assert np.allclose(np.sort(lengths), np.sort(np.linalg.norm(vector, axis=1)), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_edges_come_in_pairs(structures, kind):
    """Each edge has its reverse: forces are equal and opposite."""
    graph = from_atoms(structures[kind], 4.0)
    sender, receiver = graph.edge_index
    rows = {(int(j), int(i), *s) for j, i, s in zip(sender, receiver, graph.edge_shift.int().tolist(), strict=True)}
    assert rows == {(i, j, -a, -b, -c) for j, i, a, b, c in rows}


def test_vectors_survive_collation(structures):
    graphs = [from_atoms(atoms, 4.0) for atoms in structures.values()]
    batch = collate(graphs)
    assert batch.n_graphs == 3
    assert torch.equal(batch.edge_vectors(), torch.cat([graph.edge_vectors() for graph in graphs]))
    assert torch.bincount(batch.atom_batch).tolist() == [len(atoms) for atoms in structures.values()]


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (Atoms(), "at least one atom"),
        (Atoms("H2", positions=[[0, 0, 0], [0, 0, np.nan]]), "position of atom 1 is not finite"),
        (Atoms("H", pbc=True), "no volume"),
        (Atoms("H", cell=[[1, 0, 0], [2, 0, 0], [0, 0, 1]], pbc=True), "no volume"),
        (Atoms("H", cell=[[np.inf, 0, 0], [0, 2, 0], [0, 0, 1]], pbc=True), "no volume"),
    ],
)
def test_structures_without_a_graph(atoms, message):
    with pytest.raises(GraphError, match=message):
        from_atoms(atoms, 4.0)


def test_nothing_to_join():
    with pytest.raises(GraphError, match="at least one graph"):
        collate([])


def test_a_graph_is_its_fields(structures):
    graph = from_atoms(structures["crystal"], 4.0)
    graph.energy = torch.zeros(1)
    graph["charge"] = torch.ones(1)
    assert graph.charge is graph["charge"]
    assert "energy" in graph
    assert set(graph) == {"numbers", "positions", "cell", "edge_index", "edge_shift", "energy", "charge"}
    copy = graph.clone()
    copy.positions += 1.0
    assert not torch.equal(copy.positions, graph.positions)
    assert set(copy) == set(graph)
    with pytest.raises(AttributeError, match="lacks stress"):
        _ = graph.stress
    assert pickle.loads(pickle.dumps(graph)).edge_index.equal(graph.edge_index)


def test_pyg_takes_it(structures):
    data = pytest.importorskip("torch_geometric.data").Data(**from_atoms(structures["slab"], 4.0))
    assert data.num_edges == data.edge_index.shape[1]
