"""Frames of a configuration: what is said of them before training."""

import numpy as np
import pytest
from ase.build import molecule

from equishare.atoms import Frame
from equishare.training.data.prepare import Parts, prepare


@pytest.mark.parametrize(
    ("model", "charge", "said"),
    [
        ({"heads": ["charges"]}, 1, True),
        ({"heads": ["dipole"]}, -1, True),
        ({"long_range": "coulomb"}, 1, True),
        ({"long_range": "coulomb", "conditions": ["charge"]}, 1, False),
        ({"long_range": "coulomb"}, 0, False),
        ({}, 1, False),
    ],
)
def test_charges_of_charged_frames_that_the_potential_is_not_told(tiny, model, charge, said):
    frames = []
    for k in range(8):
        atoms = molecule("H2O")
        atoms.rattle(0.05, seed=k)
        frames.append(Frame(atoms, energy=-1.0 - 0.1 * k, forces=np.full((3, 3), 0.1 * k), charge=charge))
    found = prepare(tiny(model=model), Parts(frames, 0.2, 0.0)).inspection.warnings
    assert ("untold-charge" in {finding.code for finding in found}) is said
