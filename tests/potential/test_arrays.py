"""Potentials of arrays against those of tensors: the same numbers, whatever the network, the size and the order."""

import gc
import threading
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from equishare.nn import backend
from equishare.potential import Committee, ModelConfig, Potential, Statistics, UnknownSpeciesError, collate
from equishare.potential.arrays import ArrayPotential, Structure, blocks
from equishare.potential.arrays.tape import Node
from equishare.potential.graph import from_atoms

SMALL = {"channels": 6, "n_basis": 4, "n_hidden": 5, "cutoff": 3.5}


def potential(neighbours=12.0, committee=False, **config):
    energies = {"H": -13.6, "C": -1027.0, "O": -2041.0, "Na": -1297.0, "Cl": -12520.0}
    shift = {symbol: 0.1 * k for k, symbol in enumerate(energies)}
    constants = Statistics(reference_energies=energies, scale=1.3, shift=shift, neighbours=neighbours)
    own = Potential(ModelConfig(**SMALL | config), constants)
    if committee:
        n = own.energy.n_inputs
        own.committee = Committee(n, members=3, energy_factor=1.7, forces_factor=0.6)
        own.committee.directions.copy_(torch.randn(n, n) / n)
    return own.double().eval().requires_grad_(False)


def crystal(repeat=1):
    atoms = bulk("NaCl", "rocksalt", 5.64, cubic=True).repeat(repeat)
    atoms.positions += np.random.default_rng(0).normal(scale=0.1, size=atoms.positions.shape)
    return atoms


def pressed():
    """Two atoms where the repulsion is on its way, in a molecule."""
    atoms = molecule("CH3CH2OH")
    atoms.positions[8] = atoms.positions[0] + [0.0, 0.0, 0.75]
    return atoms


def structure(atoms, order=None):
    graph = from_atoms(atoms, SMALL["cutoff"])
    sender, receiver = graph.edge_index.numpy()
    order = np.arange(len(sender)) if order is None else order
    edges = graph.edge_vectors().numpy()[order], sender[order], receiver[order]
    return Structure(atoms.numbers, *edges, positions=atoms.positions, cell=atoms.cell.array)


CONFIGS = [
    {},
    {"layers": 1},
    {"layers": 3},
    {"body_order": 2},
    {"body_order": 3},
    {"body_order": 5},
    {"l_density": 2, "l_features": 0},
    {"repulsion": "zbl"},
    {"neighbours": 1.5},  # fewer neighbours than species: the first layer has features, too
    {"committee": True},
    {"committee": True, "repulsion": "zbl", "layers": 3},
    {"heads": ("dipole",)},
    {"heads": ("dipole",), "committee": True, "layers": 1},
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 3e-5)])
def test_equals_the_potential(config, dtype, tolerance):
    model = potential(**config)
    # a crystal of several blocks of atoms; an atom alone, which has no edges
    structures = [molecule("CH3CH2OH"), pressed(), crystal((2, 1, 1)), Atoms("O")]
    for atoms in structures:
        atoms.positions += 3.0
    wanted = {"stress": True, "forces_uncertainty": True}
    expected = [model.predict([atoms], **wanted)[0] for atoms in structures]
    arrays = ArrayPotential(model.to(dtype))
    for atoms, row in zip(structures, expected, strict=True):
        (found,) = arrays(structure(atoms), **wanted).rows([len(atoms)])
        assert set(found) == set(row)
        for name, values in row.items():
            error, size = np.abs(np.subtract(found[name], values)).max(), np.abs(values).max()
            assert error <= 30 * tolerance * (1 + size), name


@pytest.mark.parametrize("config", [{}, {"layers": 1}, {"layers": 3}, {"body_order": 2}, {"body_order": 5}], ids=str)
@pytest.mark.parametrize("kept", [0, 40_000, 2**32], ids=["nothing", "some blocks", "everything"])
def test_blocks_and_what_they_keep_do_not_matter(config, kept, monkeypatch):
    model, atoms = potential(**config), crystal((2, 1, 1))
    (expected,) = model.predict([atoms], stress=True)
    monkeypatch.setattr(blocks, "BYTES", 1)  # eight atoms each
    monkeypatch.setattr(blocks, "KEPT_BYTES", kept)
    found = ArrayPotential(model)(structure(atoms), stress=True)
    assert found.node_energy == pytest.approx(expected["energies"], rel=1e-13)
    assert found.forces == pytest.approx(expected["forces"], abs=1e-12)
    assert found.stress[0] == pytest.approx(expected["stress"], abs=1e-13)


@pytest.mark.parametrize(("kept", "most"), [(2**32, 22_000), (0, 9_000)], ids=["all that helps", "nothing"])
def test_memory_of_an_atom(kept, most, monkeypatch):
    """Of energy and forces by one thread (each more has a gradient of its own), beyond the pairs that are given: bytes of each more atom."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    model = Potential(ModelConfig(), {"Na": 0.0, "Cl": 0.0}).eval().requires_grad_(False)
    monkeypatch.setattr(blocks, "BYTES", 2**18)
    monkeypatch.setattr(blocks, "KEPT_BYTES", kept)
    arrays, peaks = ArrayPotential(model), []
    for repeat in (2, 4):
        atoms = bulk("NaCl", "rocksalt", 5.64, cubic=True).repeat((repeat, 4, 4))
        graph = from_atoms(atoms, model.cutoff)
        given = Structure(atoms.numbers, graph.edge_vectors().numpy(), *graph.edge_index.numpy())
        arrays(given)
        tracemalloc.start()
        try:
            arrays(given)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert 4_000 < (peaks[1] - peaks[0]) / 256 < most


def test_conditions_on_arrays():
    config = {"conditions": ("charge", "spin", "method"), "methods": ("xtb", "pbe"), "heads": ("dipole",)}
    model = potential(**config)
    with torch.no_grad():
        model.net.conditions.tables["method"].normal_()
    atoms, plain = molecule("CH3CH2OH"), potential(heads=("dipole",))
    plain.load_state_dict(model.state_dict(), strict=False)
    graph = collate([from_atoms(atoms, SMALL["cutoff"])])
    seen = set()
    for charge, spin, method in [(0, 1, 0), (1, 2, 0), (-1, 2, 1), (0, 3, 0)]:
        given = {"charge": charge, "spin": spin, "method": method}
        for name, value in given.items():
            graph[name] = torch.tensor([value])
        expected, found = model(graph), ArrayPotential(model)(replace(structure(atoms), conditions=given))
        for name in ("energy", "forces", "dipole", "charges"):
            assert np.allclose(found.get(name), expected.get(name).detach(), rtol=1e-10, atol=1e-10), name
        assert found.charges.sum() == pytest.approx(charge, abs=1e-10)
        seen.add(round(float(found.energy[0]), 6))
    assert len(seen) == 4
    graph["charge"], graph["spin"], graph["method"] = torch.tensor([0]), torch.tensor([1]), torch.tensor([0])
    assert torch.equal(model(graph).energy, plain(graph).energy)  # a neutral singlet is what it is without conditions


def test_forces_are_the_slope_of_the_energy():
    arrays, given = ArrayPotential(potential(heads=("dipole",))), structure(molecule("CH3CH2OH"))
    move = np.random.default_rng(0).normal(size=given.positions.shape)
    along = move[given.sender] - move[given.receiver]
    ahead, behind = (arrays(replace(given, vectors=given.vectors + h * along)).energy[0] for h in (1e-5, -1e-5))
    assert -(arrays(given).forces * move).sum() == pytest.approx((ahead - behind) / 2e-5, rel=1e-6)


def test_order_of_edges_and_number_of_threads_do_not_matter(monkeypatch):
    model, atoms = ArrayPotential(potential(channels=64)), crystal((2, 2, 2))
    given = structure(atoms)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    found = model(given)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    turned = model(structure(atoms, np.random.default_rng(0).permutation(len(given.sender))))
    assert turned.node_energy == pytest.approx(found.node_energy, rel=1e-13)
    assert turned.forces == pytest.approx(found.forces, abs=1e-12)


def test_nothing_of_a_call_is_kept():
    """Without waiting for the garbage to be collected: dynamics would fill the memory with arrays."""
    arrays, given, made = ArrayPotential(potential()), structure(crystal((2, 2, 2))), []
    arrays(given, forces_uncertainty=True)
    gc.disable()
    try:
        for _ in range(3):
            arrays(given)
            made.append(sum(type(each) is Node for each in gc.get_objects()))
    finally:
        gc.enable()
    assert made == [0, 0, 0]


class Halves:
    """Two processes as two threads: each owns half of the atoms and sees the other half as ghosts."""

    def __init__(self, mine, ghosts, other, barrier):
        self.mine, self.ghosts, self.barrier = mine, ghosts, barrier
        self.other = other

    def _meet(self, value):
        self.shared = value
        self.barrier.wait()
        found = self.other().shared
        self.barrier.wait()
        return found

    def forward(self, features):
        theirs = self._meet(features.copy())
        features[:, len(self.mine) :] = theirs[:, : len(self.ghosts)]

    def reverse(self, gradient):
        theirs = self._meet(gradient.copy())
        gradient[:, : len(self.mine)] += theirs[:, len(self.ghosts) :]


@pytest.mark.parametrize("config", [{}, {"layers": 3}, {"neighbours": 1.5}, {"repulsion": "zbl"}], ids=str)
def test_atoms_shared_among_processes(config):
    """Two processes that exchange the features of ghosts give the energies and forces of one."""
    model, atoms = potential(**config), pressed()
    whole = structure(atoms)
    expected = ArrayPotential(model)(whole)
    parts = np.arange(5), np.arange(5, 9)
    barrier, found, exchanges = threading.Barrier(2), [None, None], [None, None]
    for k in (0, 1):
        exchanges[k] = Halves(parts[k], parts[1 - k], lambda k=k: exchanges[1 - k], barrier)

    def run(k):
        order = np.concatenate([parts[k], parts[1 - k]])
        place = np.argsort(order)
        own = np.isin(whole.receiver, parts[k])
        given = replace(
            *(whole,),
            numbers=atoms.numbers[order],
            vectors=whole.vectors[own],
            sender=place[whole.sender[own]],
            receiver=place[whole.receiver[own]],
            n_atoms=len(parts[k]),
        )
        prediction = ArrayPotential(model, exchange=exchanges[k])(given)
        forces = np.zeros((len(atoms), 3))
        forces[order] = prediction.forces
        found[k] = prediction.node_energy, forces

    threads = [threading.Thread(target=run, args=(k,)) for k in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.concatenate([energies for energies, _ in found]) == pytest.approx(expected.node_energy, rel=1e-12)
    assert found[0][1] + found[1][1] == pytest.approx(expected.forces, rel=1e-11, abs=1e-11)


def test_whom_it_serves():
    assert ArrayPotential.serves(potential(committee=True, repulsion="zbl", heads=("dipole",)))
    assert not ArrayPotential.serves(potential().to(torch.bfloat16))
    assert not ArrayPotential.serves(potential().train())
    with backend("torch"):
        assert not ArrayPotential.serves(potential())


@pytest.mark.parametrize("number", [26, 200, -1])
def test_an_element_it_does_not_know(number):
    given = replace(structure(molecule("H2O")), numbers=np.array([1, 8, number]))
    with pytest.raises(UnknownSpeciesError, match="the potential knows H, C, O, Na, Cl"):
        ArrayPotential(potential())(given)


def test_weights_are_those_of_the_start():
    model = potential()
    arrays, given = ArrayPotential(model), structure(molecule("CH3CH2OH"))
    before = arrays(given)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1)
    after = arrays(given)
    assert np.array_equal(before.energy, after.energy)
    assert np.array_equal(before.forces, after.forces)


def test_other_elements_in_the_same_array_are_seen():
    """Elements are looked up once for the same numbers in a row; an array that was written to holds others."""
    arrays, given = ArrayPotential(potential()), structure(molecule("CH3CH2OH"))
    first = arrays(given).energy[0]
    given.numbers[:] = given.numbers[::-1].copy()
    turned = arrays(given).energy[0]
    assert turned == ArrayPotential(arrays.potential)(given).energy[0]
    assert turned != first
    given.numbers[2] = 92
    with pytest.raises(UnknownSpeciesError, match="U"):
        arrays(given)
    given.numbers[2] = 1
    assert np.isfinite(arrays(given).energy[0])
