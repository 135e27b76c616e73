"""Forces, stress and the gradient of a loss on forces, against finite differences in float64."""

import numpy as np
import pytest
import torch

from equishare.potential import collate, from_atoms

H = 4e-4


def energy(potential, atoms):
    graph = collate([from_atoms(atoms, potential.cutoff)])
    with torch.no_grad():
        return float(potential(graph, forces=False).interaction_energy)


def central(function, h=H):
    """Fourth-order central difference of a function of one number at zero."""
    return (8 * (function(h) - function(-h)) - (function(2 * h) - function(-2 * h))) / (12 * h)


@pytest.mark.parametrize("kind", ["molecule", "crystal", "slab"])
def test_forces(potential, structures, kind):
    atoms = structures[kind]
    (predicted,) = potential.predict([atoms])

    def moved(atom, axis):
        def at(h):
            other = atoms.copy()
            other.positions[atom, axis] += h
            return energy(potential, other)

        return at

    numeric = -np.array([[central(moved(i, k)) for k in range(3)] for i in range(min(len(atoms), 4))])
    error = np.linalg.norm(predicted["forces"][: len(numeric)] - numeric)
    assert error < 1e-6 * np.linalg.norm(numeric)


@pytest.mark.parametrize("kind", ["crystal", "slab"])
def test_stress(potential, structures, kind):
    atoms = structures[kind]
    (predicted,) = potential.predict([atoms], stress=True)

    def strained(a, b):
        def at(h):
            strain = np.eye(3)
            strain[a, b] += h / 2
            strain[b, a] += h / 2
            other = atoms.copy()
            other.set_cell(np.asarray(atoms.cell) @ strain, scale_atoms=False)
            other.positions = atoms.positions @ strain
            return energy(potential, other)

        return at

    numeric = np.array([[central(strained(a, b)) for b in range(3)] for a in range(3)]) / atoms.get_volume()
    assert np.linalg.norm(predicted["stress"] - numeric) < 1e-6 * np.linalg.norm(numeric)
    assert np.array_equal(predicted["stress"], predicted["stress"].T)


@pytest.mark.parametrize("with_stress", [False, True])
def test_gradient_of_a_force_loss(make_potential, structures, with_stress):
    """In training mode: directional derivatives of the loss along random directions in weight space."""
    potential = make_potential(torch.float64).train()
    batch = collate([from_atoms(structures[k], potential.cutoff) for k in ("molecule", "crystal")])
    parameters = list(potential.parameters())

    def loss():
        prediction = potential(batch, stress=with_stress)
        value = (prediction.forces - 0.3).square().sum() + prediction.interaction_energy.square().sum()
        return value + (100 * prediction.stress).square().sum() if with_stress else value

    gradient = torch.autograd.grad(loss(), parameters)
    for _ in range(3):
        direction = [torch.randn_like(p) for p in parameters]
        start = [p.detach().clone() for p in parameters]

        def at(h, direction=direction, start=start):
            with torch.no_grad():
                for p, s, d in zip(parameters, start, direction, strict=True):
                    p.copy_(s + h * d)
            return float(loss().detach())

        numeric = central(at, 1e-4)
        at(0.0)
        exact = float(sum((g * d).sum() for g, d in zip(gradient, direction, strict=True)))
        scale = float(torch.stack([g.norm() for g in gradient]).norm())
        assert abs(exact - numeric) < 1e-6 * scale


def test_evaluation_mode_keeps_no_graph(potential, ethanol):
    prediction = potential(collate([from_atoms(ethanol, potential.cutoff)]))
    assert not prediction.forces.requires_grad


def test_energy_alone_needs_no_derivative(potential, ethanol):
    with torch.no_grad():
        prediction = potential(collate([from_atoms(ethanol, potential.cutoff)]), forces=False)
    assert prediction.forces is None
    assert not prediction.energy.requires_grad
