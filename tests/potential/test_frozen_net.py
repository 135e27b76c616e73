"""Frozen networks against the tape: the same numbers, and the tape where it is needed."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from equishare.nn import Edges, backend
from equishare.nn.e3.folding import fold
from equishare.potential import Committee, ModelConfig, Potential, hessian
from equishare.potential.graph import collate, from_atoms

SMALL = {"channels": 6, "n_basis": 4, "n_hidden": 5, "cutoff": 3.5}
CRYSTAL = Atoms(
    "CHO",
    scaled_positions=[[0.0, 0.1, 0.0], [0.5, 0.45, 0.4], [0.1, 0.6, 0.8]],
    cell=[[3.1, 0.2, 0.0], [0.4, 3.4, -0.3], [-0.2, 0.5, 3.8]],
    pbc=True,
)


def potential(dtype=torch.float64, neighbours=12.0, committee=False, **config):
    own = Potential(
        ModelConfig(**SMALL | config), {"H": -13.6, "C": -1027.0, "O": -2041.0}, scale=1.3, neighbours=neighbours
    )
    own = own.to(dtype).eval().requires_grad_(False)
    if committee:
        n = own.config.n_read
        own.committee = Committee(n, members=3).to(dtype)
        own.committee.directions.copy_(torch.randn(n, n) / n)
    return own


def batch(dtype=torch.float64):
    # molecules, a crystal, and an atom alone, which has no edges
    structures = [molecule("CH3CH2OH"), CRYSTAL, Atoms("O")]
    return collate([from_atoms(atoms, SMALL["cutoff"], dtype) for atoms in structures])


def compare(expected, found, tolerance):
    for name, value in vars(expected).items():
        if value is None:
            assert getattr(found, name) is None
        else:
            error = (getattr(found, name) - value).norm()
            assert error <= tolerance * (1 + value.norm()), name


@pytest.mark.parametrize(
    "config",
    [
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
    ],
    ids=str,
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 3e-5)])
def test_equals_the_tape(config, dtype, tolerance):
    model, graph = potential(dtype, **config), batch(dtype)
    expected = model(graph, stress=True, forces_uncertainty=True)
    fold(model)
    found = model(graph, stress=True, forces_uncertainty=True)
    assert "net" in model.net._kept
    compare(expected, found, tolerance)


def test_energies_alone_and_no_edges_at_all():
    model = potential()
    for graph in (batch(), collate([from_atoms(Atoms("O"), 3.5, torch.float64)])):
        expected = model.train(False)(graph, forces=False)
        fold(model)
        compare(expected, model(graph, forces=False), 1e-12)
        assert model(graph).forces.shape == (len(graph.numbers), 3)


def test_gradient_is_that_of_the_value():
    model = potential(committee=True)
    fold(model)
    net, graph = model.net, batch()
    species, edges = model.species_index(graph.numbers), Edges(graph.edge_index, len(graph.numbers))
    vectors = graph.edge_vectors().detach().requires_grad_()

    def outputs(v):
        energy, bonding, _, _, inputs = net(v, species, edges, curvature=False)
        return energy, bonding, *inputs

    assert torch.autograd.gradcheck(outputs, (vectors,))


@pytest.mark.parametrize("why", ["training", "hessian", "dipole", "plain torch"])
def test_the_tape_runs_where_it_is_needed(why):
    model = potential(dipole=why == "dipole")
    graph = from_atoms(molecule("H2O"), 3.5, torch.float64)
    fold(model)
    if why == "hessian":
        matrix = hessian(model, graph)
        assert matrix.abs().max() > 0
    elif why == "training":
        model.train().requires_grad_()(collate([graph])).forces.square().sum().backward()
        assert model.net.embedding.weight.grad is not None
    else:
        with backend("torch" if why == "plain torch" else "auto"):
            model(collate([graph]))
    assert not model.net._kept or "net" not in model.net._kept


def test_another_precision_makes_another():
    model, graph = potential(), batch()
    fold(model)
    expected = model(graph)
    single = model.float()(batch(torch.float32))
    assert single.forces.dtype == torch.float32
    assert np.allclose(single.forces.numpy(), expected.forces.numpy(), atol=1e-4)
