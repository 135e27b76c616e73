"""Small potentials and frames for the tests of training."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from equishare.atoms.frame import Frame
from equishare.potential import ModelConfig, Potential, Statistics
from equishare.training.config.config_file import merge, validate

SMALL = ModelConfig(channels=4, l_density=1, l_features=1, body_order=3, n_basis=4, n_hidden=4, cutoff=3.0)


@pytest.fixture(scope="session")
def tiny(tiny_config):
    """Configurations of runs that take a second or two, with sections of one's own."""
    return lambda **sections: validate(merge(tiny_config, sections))


@pytest.fixture
def mixed_frames():
    """A molecule, a crystal with a stress, one atom, a pair without neighbours, and frames that lack labels."""
    rng = np.random.default_rng(0)
    water, metal = molecule("H2O"), bulk("Li", "bcc", 3.4, cubic=True) * (2, 1, 1)
    pair = Atoms("H2", [[0, 0, 0], [0, 0, 9.0]])
    frames = []
    for atoms, labels in (
        (water, ("energy", "forces", "dipole")),
        (metal, ("energy", "forces", "stress")),
        (Atoms("O"), ("energy",)),
        (pair, ("forces",)),
        (water, ()),
        (metal, ("energy", "forces")),
    ):
        moved = atoms.copy()
        moved.positions += rng.normal(scale=0.05, size=moved.positions.shape)
        stress = rng.normal(size=(3, 3)) * 0.01
        values = {
            "energy": float(rng.normal()) - 3.0 * len(moved),
            "forces": rng.normal(size=(len(moved), 3)),
            "stress": stress + stress.T,
            "dipole": rng.normal(size=3),
        }
        frames.append(Frame(moved, file="mixed.xyz", index=len(frames), **{name: values[name] for name in labels}))
    return frames


@pytest.fixture
def small_potential():
    """Random weights; H, Li and O; with a dipole."""
    return Potential(
        SMALL.model_copy(update={"heads": ("dipole",)}),
        Statistics(reference_energies={"H": -1.0, "Li": -2.0, "O": -3.0}, scale=0.7, neighbours=6.0, spacing=0.7),
    )
