"""Potentials of arrays against those of tensors: the same numbers, whatever the size and order."""

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule

from equishare.nn import backend
from equishare.potential import Committee, ModelConfig, Potential, UnknownSpeciesError
from equishare.potential.frozen_potential import FrozenPotential
from equishare.potential.graph import from_atoms

SMALL = {"channels": 6, "n_basis": 4, "n_hidden": 5, "cutoff": 3.5}


def potential(dtype=torch.float64, neighbours=12.0, **config):
    energies = {"H": -13.6, "C": -1027.0, "O": -2041.0, "Na": -1297.0, "Cl": -12520.0}
    shift = {symbol: 0.1 * k for k, symbol in enumerate(energies)}
    own = Potential(ModelConfig(**SMALL | config), energies, scale=1.3, shift=shift, neighbours=neighbours)
    return own.to(dtype).eval().requires_grad_(False)


def crystal():
    # several blocks of atoms, and work enough for threads
    atoms = bulk("NaCl", "rocksalt", 5.64, cubic=True).repeat((2, 2, 2))
    atoms.positions += np.random.default_rng(0).normal(scale=0.1, size=atoms.positions.shape)
    return atoms


def arrays(atoms, order=None):
    graph = from_atoms(atoms, SMALL["cutoff"], torch.float64)
    sender, receiver = graph.edge_index.numpy()
    order = np.arange(len(sender)) if order is None else order
    return graph, (atoms.numbers, graph.edge_vectors().numpy()[order], sender[order], receiver[order])


@pytest.mark.parametrize("atoms", [molecule("CH3CH2OH"), molecule("O"), crystal()], ids=["molecule", "atom", "crystal"])
@pytest.mark.parametrize("neighbours", [12.0, 1.5])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 3e-5)])
def test_equals_the_potential(atoms, neighbours, dtype, tolerance):
    model = potential(neighbours=neighbours)
    graph, given = arrays(atoms)
    expected = model(graph)
    found, gradient = FrozenPotential(model.to(dtype))(*given)
    assert found == pytest.approx(expected.node_energy.detach().numpy(), rel=tolerance)
    forces = np.zeros((len(atoms), 3))
    np.add.at(forces, given[3], gradient)
    np.subtract.at(forces, given[2], gradient)
    assert np.abs(forces - expected.forces.numpy()).max(initial=0) <= tolerance * (1 + np.abs(forces).max(initial=0))


def test_order_of_edges_and_number_of_threads_do_not_matter(monkeypatch):
    model = FrozenPotential(potential(channels=64, neighbours=12.0))
    _, given = arrays(crystal())
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    energy, gradient = model(*given)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    order = np.random.default_rng(0).permutation(len(given[2]))
    turned, of_turned = model(*arrays(crystal(), order)[1])
    assert turned == pytest.approx(energy, rel=1e-13)
    assert of_turned == pytest.approx(gradient[order], abs=1e-12)


def test_whom_it_serves():
    plain = potential()
    assert FrozenPotential.serves(plain)
    assert not FrozenPotential.serves(potential(dipole=True))
    assert not FrozenPotential.serves(potential(repulsion="zbl"))
    assert not FrozenPotential.serves(potential(torch.bfloat16))
    assert not FrozenPotential.serves(potential().train())
    with backend("torch"):
        assert not FrozenPotential.serves(plain)
    plain.committee = Committee(plain.config.n_read, members=2)
    assert not FrozenPotential.serves(plain)


@pytest.mark.parametrize("number", [26, 200, -1])
def test_an_element_it_does_not_know(number):
    _, (_, *given) = arrays(molecule("H2O"))
    with pytest.raises(UnknownSpeciesError, match="the potential knows H, C, O, Na, Cl"):
        FrozenPotential(potential())(np.array([1, 8, number]), *given)
