"""DensityNet: the two ways of the first layer's sum over neighbours."""

import pytest
import torch

from equishare.potential import collate, from_atoms
from equishare.potential.density_net import DensityNet


@pytest.mark.parametrize("kind", ["molecule", "crystal", "slab"])
def test_few_species_or_many_is_a_matter_of_cost(make_potential, structures, kind):
    potential = make_potential().train()
    graph = collate([from_atoms(structures[kind], potential.cutoff, torch.float64)])
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
