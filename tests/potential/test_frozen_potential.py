"""Potentials of arrays against those of tensors: the same numbers, whatever the network, the size and the order."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from equishare.nn import backend
from equishare.potential import Committee, ModelConfig, Potential, UnknownSpeciesError
from equishare.potential.frozen_potential import FrozenPotential
from equishare.potential.graph import from_atoms

SMALL = {"channels": 6, "n_basis": 4, "n_hidden": 5, "cutoff": 3.5}


def potential(neighbours=12.0, committee=False, **config):
    energies = {"H": -13.6, "C": -1027.0, "O": -2041.0, "Na": -1297.0, "Cl": -12520.0}
    shift = {symbol: 0.1 * k for k, symbol in enumerate(energies)}
    own = Potential(ModelConfig(**SMALL | config), energies, scale=1.3, shift=shift, neighbours=neighbours)
    if committee:
        n = own.config.n_read
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


def arrays(atoms, order=None):
    graph = from_atoms(atoms, SMALL["cutoff"], torch.float64)
    sender, receiver = graph.edge_index.numpy()
    order = np.arange(len(sender)) if order is None else order
    return graph, (atoms.numbers, graph.edge_vectors().numpy()[order], sender[order], receiver[order])


def forces(gradient, given):
    found = np.zeros((len(given[0]), 3))
    np.add.at(found, given[3], gradient)
    np.subtract.at(found, given[2], gradient)
    return found


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
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 3e-5)])
def test_equals_the_potential(config, dtype, tolerance):
    model = potential(**config)
    # a crystal of several blocks of atoms; an atom alone, which has no edges
    structures = [molecule("CH3CH2OH"), pressed(), crystal((2, 1, 1)), Atoms("O")]
    cases = [(arrays(atoms), model(arrays(atoms)[0], forces_uncertainty=True)) for atoms in structures]
    frozen = FrozenPotential(model.to(dtype))
    for (_, given), expected in cases:
        found = frozen(*given, members=True)
        assert found.energies == pytest.approx(expected.node_energy.detach().numpy(), rel=tolerance)
        error = np.abs(forces(found.gradient, given) - expected.forces.numpy())
        assert error.max() <= tolerance * (1 + expected.forces.abs().max().item())
        if not model.committee:
            assert found.energy_uncertainty is None
            assert found.of_members == []
            continue
        assert found.energy_uncertainty == pytest.approx(expected.energy_uncertainty.item(), rel=10 * tolerance)
        square = sum(np.square(forces(gradient, given)).mean(axis=1) for gradient in found.of_members)
        spread = model.committee.forces_spread(square)
        assert spread == pytest.approx(expected.forces_uncertainty.numpy(), rel=30 * tolerance, abs=1e-12)
        assert frozen(*given).of_members == []


def test_gradient_is_that_of_the_outputs():
    net = FrozenPotential(potential()).net
    _, (_, vectors, sender, receiver) = arrays(molecule("CH3CH2OH"))
    rng, species = np.random.default_rng(0), np.array([1, 1, 2, 0, 0, 0, 0, 0, 0])
    outputs, kept = net.value(vectors, species, sender, receiver)
    along = [rng.normal(size=output.shape) for output in outputs]
    move = rng.normal(size=vectors.shape)

    def moved(step):
        found, _ = net.value(vectors + step * move, species, sender, receiver)
        return sum((output * weight).sum() for output, weight in zip(found, along, strict=True))

    slope = (net.gradient(kept, along[0], along[1], along[2:]) * move).sum()
    assert slope == pytest.approx((moved(1e-5) - moved(-1e-5)) / 2e-5, rel=1e-7)


def test_order_of_edges_and_number_of_threads_do_not_matter(monkeypatch):
    model, atoms = FrozenPotential(potential(channels=64)), crystal((2, 2, 2))
    _, given = arrays(atoms)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    found = model(*given)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    order = np.random.default_rng(0).permutation(len(given[2]))
    turned = model(*arrays(atoms, order)[1])
    assert turned.energies == pytest.approx(found.energies, rel=1e-13)
    assert turned.gradient == pytest.approx(found.gradient[order], abs=1e-12)


def test_whom_it_serves():
    assert FrozenPotential.serves(potential(committee=True, repulsion="zbl"))
    assert not FrozenPotential.serves(potential(dipole=True))
    assert not FrozenPotential.serves(potential().to(torch.bfloat16))
    assert not FrozenPotential.serves(potential().train())
    with backend("torch"):
        assert not FrozenPotential.serves(potential())


@pytest.mark.parametrize("number", [26, 200, -1])
def test_an_element_it_does_not_know(number):
    _, (_, *given) = arrays(molecule("H2O"))
    with pytest.raises(UnknownSpeciesError, match="the potential knows H, C, O, Na, Cl"):
        FrozenPotential(potential())(np.array([1, 8, number]), *given)
