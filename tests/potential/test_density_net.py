"""DensityNet: the two ways of the first layer's sum over neighbours, and Triton's kernels."""

import pytest
import torch
from ase.build import molecule

from equishare.nn import backend
from equishare.potential import ModelConfig, Potential, collate, from_atoms
from equishare.potential.density_net import DensityNet


@pytest.mark.parametrize("kind", ["molecule", "crystal", "slab"])
def test_few_species_or_many_is_a_matter_of_cost(make_potential, structures, kind):
    potential = make_potential().train()
    graph = collate([from_atoms(structures[kind], potential.cutoff)])
    found = []
    for few in (True, False):
        potential.net.few_species = few
        prediction = potential(graph)
        loss = prediction.forces.square().sum() + prediction.interaction_energy.sum()
        found.append(
            (prediction.interaction_energy, prediction.forces, *torch.autograd.grad(loss, potential.parameters()))
        )
    assert all(torch.allclose(a, b, rtol=1e-9, atol=1e-10) for a, b in zip(*found, strict=True))


def test_many_species_are_summed_edge_by_edge(make_potential):
    config = make_potential().config
    assert DensityNet(config, 3, 12.0, 1.2).few_species
    assert not DensityNet(config, 89, 12.0, 1.2).few_species


def test_triton_gives_the_same_forces_and_the_same_gradient_of_a_loss_on_them(triton_device):
    config = ModelConfig(channels=3, l_density=1, l_features=1, body_order=3, n_basis=3, n_hidden=3, cutoff=3.0)
    potential = Potential(config, {"H": -13.0, "O": -400.0}).double().to(triton_device).train()
    graph = collate([from_atoms(molecule("H2O"), 3.0)]).to(triton_device)
    results = []
    for name in ("triton", "torch"):
        with backend(name):
            prediction = potential(graph)
            loss = prediction.energy.sum() + prediction.forces.square().sum()
            gradient = torch.autograd.grad(loss, list(potential.parameters()))
        results.append([prediction.energy, prediction.forces, *gradient])
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-10, atol=1e-12)
