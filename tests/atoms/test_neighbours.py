"""The one list of neighbours: that of ASE, wherever the atoms are."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from equishare.atoms import Frame, GraphError, inspect, neighbour_list
from equishare.atoms.neighbours import is_sound, settle
from equishare.potential import from_atoms


def crystal():
    atoms = bulk("NaCl", "rocksalt", a=5.6).repeat((2, 2, 1))
    atoms.rattle(0.1, seed=0)
    return atoms


def assert_those_of_ase(pairs, atoms, cutoff, atol=1e-9):
    receiver, sender, shift, vectors = neighbor_list("ijSD", atoms, cutoff)
    order = np.lexsort((*shift.T[::-1], sender, receiver))
    assert pairs.receiver.tolist() == receiver[order].tolist()
    assert pairs.sender.tolist() == sender[order].tolist()
    np.testing.assert_array_equal(pairs.shift, shift[order])
    np.testing.assert_allclose(pairs.vectors, vectors[order], atol=atol)


@given(
    st.integers(2, 12),
    st.floats(1.0, 6.0),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.integers(0, 99),
)
@settings(max_examples=30)
def test_pairs_are_those_of_ase(n, cutoff, pbc, seed):

    rng = np.random.default_rng(seed)
    cell = np.diag([4.0, 5.0, 6.0]) + rng.normal(scale=0.3, size=(3, 3))
    atoms = Atoms(f"H{n}", rng.uniform(0, 6, size=(n, 3)), cell=cell, pbc=pbc)
    assert_those_of_ase(neighbour_list(atoms, cutoff), atoms, cutoff)


@pytest.mark.parametrize(
    ("atoms", "sound"),
    [
        (molecule("H2O"), True),
        (crystal(), True),
        (Atoms("H", pbc=True), False),
        (Atoms("H", cell=[1, 1, 0], pbc=[True, True, False]), True),
        (Atoms("H", cell=[3, 0, 3], pbc=[True, True, False]), False),
        (Atoms("H", positions=[[np.inf, 0, 0]]), False),
        (Atoms("H", cell=[np.nan, 3, 3], pbc=True), False),
        (Atoms("H8", cell=[1, 1, 1], pbc=True), False),
        (Atoms(), False),
    ],
    ids=str,
)
def test_soundness(atoms, sound):
    assert is_sound(atoms) is sound


STRUCTURES = {
    "molecule": molecule("CH3CH2OH"),
    "crystal": crystal(),
    "slab": fcc111("Cu", (2, 2, 2), vacuum=5.0),
    "wire": Atoms("Cu2", positions=[[0, 0, 0], [1.2, 0.5, 0]], cell=[2.5, 0, 0], pbc=[True, False, False]),
}


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("distance", [1e2, 1e4, 1e6, 1e8])
def test_pairs_and_graphs_are_the_same_far_from_the_origin(name, distance):
    near = STRUCTURES[name]
    far = near.copy()
    far.positions += [distance, -distance, 0.7 * distance]
    expected = neighbour_list(near, 4.0)
    for pairs in (neighbour_list(far, 4.0), Frame(far).neighbours(4.0)):
        np.testing.assert_array_equal(pairs.sender, expected.sender)
        np.testing.assert_array_equal(pairs.shift, expected.shift)
        np.testing.assert_allclose(pairs.vectors, expected.vectors, atol=1e-15 * distance + 1e-9)
    vectors = from_atoms(far, 4.0).edge_vectors().numpy()
    np.testing.assert_allclose(vectors, expected.vectors, atol=1e-15 * distance + 1e-5)


@pytest.mark.parametrize("name", ["crystal", "slab", "wire"])
def test_atoms_many_cells_away(name):
    near, cells = STRUCTURES[name], np.random.default_rng(0).integers(-9000, 9000, size=(len(STRUCTURES[name]), 3))
    cells[:, ~near.pbc] = 0
    away = near.copy()
    away.positions += cells @ np.asarray(near.cell)
    expected, pairs = neighbour_list(near, 4.0), neighbour_list(away, 4.0)
    assert len(pairs.sender) == len(expected.sender)
    np.testing.assert_allclose(np.sort(pairs.distances), np.sort(expected.distances), atol=1e-9)
    made = away.positions[pairs.sender] + pairs.shift @ np.asarray(near.cell) - away.positions[pairs.receiver]
    np.testing.assert_allclose(pairs.vectors, made, atol=1e-9)
    lengths = from_atoms(away, 4.0).edge_vectors().norm(dim=1).numpy()
    np.testing.assert_allclose(lengths, pairs.distances, atol=1e-5)


@pytest.mark.parametrize("pbc", [(0, 0, 0), (1, 1, 0), (1, 0, 0)])
@pytest.mark.parametrize("distance", [40.0, 1e6])
def test_fragments_far_apart_are_each_as_sharp(pbc, distance):
    water = molecule("H2O", cell=[9.0, 9.0, 9.0], pbc=pbc)
    pair = water + water
    pair.positions[3:] += np.where(pbc, 0.0, distance) + 3.0
    graph = from_atoms(pair, 3.0)
    expected = neighbour_list(water, 3.0)
    assert graph.edge_index.shape[1] == 2 * len(expected.sender)
    np.testing.assert_allclose(graph.edge_vectors().norm(dim=1), np.tile(expected.distances, 2), atol=1e-5)


def test_a_structure_near_the_origin_keeps_its_shape():
    atoms = molecule("CH3CH2OH")
    positions, crossed = settle(atoms)
    assert crossed is None
    np.testing.assert_allclose(positions, atoms.positions - atoms.positions.mean(axis=0), atol=1e-12)


def test_a_frame_finds_its_neighbours_once(monkeypatch):
    from equishare.atoms import frame as module

    searched = []
    monkeypatch.setattr(module, "neighbour_list", lambda a, r: searched.append(r) or neighbour_list(a, r))
    frame = Frame(crystal())
    for cutoff in (5.0, 3.0, 5.0, 6.0, 2.0):
        assert_those_of_ase(frame.neighbours(cutoff), frame.atoms, cutoff)
    assert searched == [5.0, 6.0]


def test_no_pair_is_float_everywhere():
    pairs = neighbour_list(Atoms("HO", [(0, 0, 0), (0, 0, 20)]), 5.0)
    assert (pairs.vectors.dtype, pairs.distances.dtype, pairs.nearest(2).tolist()) == (float, float, [np.inf, np.inf])


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (Atoms("H2", positions=[(0, 0, 0), (0, 0, 1e30)]), "1e[+]30 Å from the origin"),
        (Atoms("H", cell=[10, 10, 1e12], pbc=True), "1e[+]12 Å long"),
        (Atoms("H", cell=[[10, 0, 0], [0, 10, 0], [1e9, 0, 10]], pbc=True), "1e[+]09 Å long"),
        (Atoms("H", cell=[0.01, 0.01, 1e3], pbc=True), "neighbours within 5 Å"),
    ],
)
def test_numbers_that_are_not_those_of_atoms_are_refused(atoms, message):
    """The search would overflow or fill the memory."""
    with pytest.raises(GraphError, match=message):
        neighbour_list(atoms, 5.0)
    errors = {f.code for f in inspect([Frame(atoms, energy=1.0)]).errors}
    assert errors & {"no-graph", "zero-volume"}


def test_a_structure_without_volume_has_no_list():
    with pytest.raises(GraphError, match="no volume"):
        neighbour_list(Atoms("H", pbc=True), 5.0)


def test_atoms_in_one_place_are_named():
    atoms = molecule("H2O")
    atoms.positions[2] = atoms.positions[1] + 1e-5
    with pytest.raises(GraphError, match=r"atoms 1 \(H\) and 2 \(H\) are in one place"):
        from_atoms(atoms, 5.0)
    cell = Atoms("Cu2", cell=[3, 3, 3], pbc=True, positions=[(0, 0, 0), (3, 3, 3)])
    with pytest.raises(GraphError, match=r"atoms 0 \(Cu\) and 1 \(Cu\) are in one place"):
        from_atoms(cell, 5.0)
