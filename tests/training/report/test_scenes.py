"""What the viewer of the report draws."""

import base64
import gzip
import hashlib

import numpy as np
import pytest
from ase.build import bulk, molecule

from equishare.training.evaluation.evaluate import FramePrediction
from equishare.training.report.scenes import LONGEST, library, scene, scenes


def predicted(atoms, error):
    forces = np.zeros((len(atoms), 3))
    return FramePrediction("a@1", atoms.numbers, predicted={"forces": forces + error}, labels={"forces": forces})


def test_arrows_are_the_errors_of_the_forces():
    atoms, error = molecule("H2O"), np.zeros((3, 3))
    error[1], error[2] = [0, 0, -2.0], [0.5, 0, 0]
    found = scene(predicted(atoms, error), atoms)
    middle = atoms.positions - atoms.positions.mean(axis=0)
    assert np.allclose(found["arrows"][0], [*middle[1], *(middle[1] + [0, 0, -LONGEST])], atol=1e-3)
    assert np.allclose(found["arrows"][1], [*middle[2], *(middle[2] + [LONGEST / 4, 0, 0])], atol=1e-3)
    assert len(found["arrows"]) == 2
    assert found["xyz"].split("\n")[0] == "3"
    assert found["edges"] == []


@pytest.mark.parametrize("error", [0.0, np.inf, np.nan])
def test_errors_that_cannot_be_drawn(error):
    atoms = molecule("H2O")
    assert scene(predicted(atoms, error), atoms)["arrows"] == []


def test_a_cell_has_twelve_edges():
    atoms = bulk("Cu", cubic=True)
    edges = np.array(scene(predicted(atoms, 0.0), atoms)["edges"])
    assert edges.shape == (12, 6)
    assert np.allclose(np.linalg.norm(edges[:, 3:] - edges[:, :3], axis=1), atoms.cell.lengths()[0], atol=2e-3)
    assert len(np.unique(edges.reshape(24, 3), axis=0)) == 8


def test_large_frames_are_left_out():
    small, large = bulk("Cu"), bulk("Cu") * (13, 13, 13)
    assert [s["xyz"][:1] for s in scenes([(predicted(a, 0.0), a) for a in (small, large)])] == ["1"]


def test_the_library_is_the_one_that_was_published():
    code = gzip.decompress(base64.b64decode(library()))
    assert hashlib.sha256(code).hexdigest() == "f7cc78921ae72e7623e89cdd111434f58c2efddd2ffda1cd212644b406fb8016"
