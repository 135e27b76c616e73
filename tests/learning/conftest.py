"""A campaign that takes seconds: four atoms of copper, labelled by EMT."""

import pytest
from ase.build import bulk

TINY = {
    "preset": "small", "channels": 4, "n_basis": 4, "n_hidden": 4, "l_density": 1, "body_order": 3, "cutoff": 3.5, "device": "cpu",
    "committee": 2,
}  # fmt: skip


@pytest.fixture(scope="session")
def copper():
    return bulk("Cu", "fcc", 3.6, cubic=True)


@pytest.fixture(scope="session")
def quick():
    return {
        "temperatures": (300.0, 600.0), "first": 12, "max_labels": 22, "training_steps": 5, "picoseconds": 0.2,
        "workers": 1, "training": TINY, "accuracy": 1e-4,
    }  # fmt: skip
