"""Kinds of frames that a fit leaves out are named; sound ones and small chances are not."""

import numpy as np
import pytest

from equishare.training.evaluation.evaluate import FramePrediction, summarise
from equishare.training.evaluation.unfitted import unfitted


def frames(kind, bias=0.0, scatter=0.002, forces=0.05, label_forces=1.0, count=30):
    """Predictions of ten atoms whose energies (eV/atom) and forces (eV/Å) have such errors."""
    rng = np.random.default_rng(len(kind) + count)
    made = []
    for _ in range(count):
        label = rng.normal(scale=label_forces, size=(10, 3))
        made.append(
            FramePrediction(
                "f",
                np.full(10, 42),
                predicted={
                    "energy": -100.0 + 10 * (bias + scatter * rng.normal()),
                    "forces": label + rng.normal(scale=forces, size=(10, 3)),
                },
                labels={"energy": np.array(-100.0), "forces": label},
                config_type=kind,
            )
        )
    return made


@pytest.mark.parametrize(
    ("surface", "words"),
    [
        ({"bias": 0.007}, ["surface: energies are off by +7", "meV/atom", "--weights surface=5"]),
        ({"bias": -0.0033, "scatter": 0.0005, "count": 72}, ["surface: energies are off by -3.3"]),
        ({"scatter": 0.02}, ["surface: energies are off", "RMSE 1", "all others 1"]),
        ({"forces": 0.2}, ["surface: the error of forces is ", "% of their RMS", "all others "]),
    ],
)
def test_what_is_not_fitted_is_said(surface, words):
    (sentence,) = unfitted(summarise([*frames("bulk"), *frames("dynamics"), *frames("surface", **surface)]))
    for word in words:
        assert word in sentence


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"bias": 0.001},
        {"forces": 0.03, "label_forces": 0.1},  # small forces: a large part of them, and still the smaller error
        {"label_forces": 0.0, "forces": 0.0},
        {"bias": 0.05, "count": 2},
    ],
)
def test_what_is_fitted_is_not_named(other):
    assert unfitted(summarise([*frames("bulk"), *frames("dynamics"), *frames("surface", **other)])) == []


def test_an_error_of_all_kinds_alike_is_that_of_none():
    """A run that is too short, or E0s of another method."""
    assert unfitted(summarise([*frames("bulk", bias=0.016), *frames("dynamics", bias=0.016)])) == []


def test_one_kind_has_no_others():
    assert unfitted(summarise(frames("bulk", bias=1.0))) == []
