"""Batches: the fields of PyG's own, in an order that the seed and the epoch decide."""

from itertools import chain

import numpy as np
import pytest
import torch
from ase.neighborlist import neighbor_list
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data

from equishare.atoms import Frame
from equishare.potential import GraphError, ModelConfig, collate, from_atoms
from equishare.training.data.batches import BatchLoader, batches_by_size
from equishare.training.data.labelled_graphs import labelled_graphs
from equishare.training.data.statistics import statistics


@pytest.fixture
def graphs(mixed_frames):
    return labelled_graphs(mixed_frames, ModelConfig(cutoff=3.0))


def test_collate_gives_what_pyg_gives(graphs):
    ours = collate(graphs)
    theirs = Batch.from_data_list([Data(**graph, num_nodes=graph.num_nodes) for graph in graphs])
    assert set(ours) == set(theirs.keys()) - {"num_nodes"}
    for name, value in ours.items():
        assert value.dtype == theirs[name].dtype
        assert torch.equal(torch.nan_to_num(value.double(), 9e9), torch.nan_to_num(theirs[name].double(), 9e9)), name
    assert ours.num_nodes == theirs.num_nodes


def test_collate_refuses_graphs_that_differ(graphs, mixed_frames):
    with pytest.raises(GraphError, match="lack energy, forces, stress"):
        collate([*graphs, from_atoms(mixed_frames[0].atoms, 3.0)])
    with pytest.raises(GraphError, match="none"):
        collate([])


@given(st.integers(1, 7), st.integers(0, 3), st.integers(0, 5))
def test_an_epoch_shows_every_frame_once(batch_size, seed, epoch):
    from ase import Atoms

    pool = [from_atoms(Atoms("H"), 3.0) for _ in range(11)]
    loader = BatchLoader(pool, batch_size, seed)
    seen = [batch.frame.tolist() for batch in loader.epoch(epoch)]
    assert [batch.frame.tolist() for batch in loader.epoch(epoch, start=1)] == seen[1:]
    assert sorted(chain(*seen)) == list(range(11))
    assert len(seen) == len(loader)
    sizes = [len(batch) for batch in seen]
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1


def test_the_order_depends_on_seed_and_epoch_alone(graphs):
    def order(seed, epoch):
        return [int(batch.frame) for batch in BatchLoader(graphs, 1, seed).epoch(epoch)]

    assert order(0, 3) == order(0, 3)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) > 6


def test_groups_hold_no_more_atoms_than_they_may(graphs):
    groups = list(batches_by_size(graphs, 7))
    assert sorted(chain(*groups)) == list(range(len(graphs)))
    assert all(len(group) == 1 or sum(len(graphs[i].numbers) for i in group) <= 7 for group in groups)


def test_statistics(mixed_frames, graphs):
    reference = {"H": -1.0, "Li": -2.0, "O": -3.0}
    found = statistics(mixed_frames, graphs, reference)
    forces = np.concatenate([frame.forces.ravel() for frame in mixed_frames if frame.forces is not None])
    assert found.scale == pytest.approx(np.sqrt((forces**2).mean()))
    edges = sum(graph.edge_index.shape[1] for graph in graphs)
    assert found.neighbours == pytest.approx(edges / sum(len(frame.atoms) for frame in mixed_frames))
    nearest = []
    for frame in mixed_frames:
        i, d = neighbor_list("id", frame.atoms, 3.0)
        nearest += [d[i == k].min() for k in range(len(frame.atoms)) if (i == k).any()]
    assert found.spacing == pytest.approx(np.mean(nearest))
    # water, lithium twice, oxygen: as many unknowns as compositions
    energies = [mixed_frames[i].energy for i in (0, 1, 2, 5)]
    assert found.shift["O"] == pytest.approx(energies[2] + 3.0)
    assert 2 * found.shift["H"] + found.shift["O"] == pytest.approx(energies[0] + 5.0)
    assert 4 * found.shift["Li"] == pytest.approx((energies[1] + energies[3]) / 2 + 8.0)


@pytest.mark.parametrize("noise", [0.0, 3e-5])
def test_the_scale_of_crystals_without_forces_is_that_of_their_energies(noise):
    """Symmetry leaves rounding: in its unit energies would be numbers of tens of thousands."""
    from ase.build import bulk

    rng = np.random.default_rng(0)
    frames = [
        Frame(bulk("Cu", a=a), energy=2.0 * (a - 3.6) ** 2, forces=rng.normal(scale=noise, size=(1, 3)))
        for a in np.linspace(3.3, 3.9, 20)
    ]
    found = statistics(frames, [from_atoms(frame.atoms, 4.0) for frame in frames], {"Cu": 0.0})
    energies = np.array([frame.energy for frame in frames])
    assert found.scale == pytest.approx(energies.std())
