"""Potentials with random weights, and structures that are hard on them."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from equishare.potential import ModelConfig, Potential, Statistics

REFERENCE = {"H": -13.6, "C": -1027.8, "O": -2041.3}


@pytest.fixture(scope="session")
def make_potential():
    """``make_potential(dtype, **config)``: a small potential with random weights, the same for the same config."""

    def make(dtype=torch.float64, **changes):
        config = {"channels": 6, "l_density": 2, "l_features": 1, "n_basis": 5, "n_hidden": 8, "cutoff": 4.0, **changes}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            constants = Statistics(
                reference_energies=REFERENCE, scale=1.3, shift={"C": -2.0, "O": -1.0}, neighbours=8.0, spacing=1.1
            )
            potential = Potential(ModelConfig(**config), constants)
        return potential.to(dtype).eval()

    return make


@pytest.fixture(scope="session")
def potential(make_potential):
    return make_potential(heads=("dipole",))


def _rattled(atoms, seed):
    atoms.positions += np.random.default_rng(seed).normal(scale=0.05, size=atoms.positions.shape)
    return atoms


@pytest.fixture
def ethanol():
    return _rattled(molecule("CH3CH2OH"), 0)


@pytest.fixture
def crystal():
    """A triclinic cell, smaller than the cutoff, atoms in and outside of it."""
    cell = [[3.1, 0.2, 0.0], [0.4, 3.4, -0.3], [-0.2, 0.5, 3.8]]
    scaled = np.array([[0.02, 0.1, 0.0], [0.5, 0.45, 0.4], [0.1, 0.6, 1.3], [-0.4, 0.05, 0.7]])
    return Atoms("CHOC", scaled_positions=scaled, cell=cell, pbc=True)


@pytest.fixture
def structures(ethanol, crystal):
    """By name; one of each kind."""
    slab = crystal.copy()
    slab.pbc = [True, True, False]
    return {"molecule": ethanol, "crystal": crystal, "slab": slab}
