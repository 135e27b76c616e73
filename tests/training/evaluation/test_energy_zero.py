"""Energies of another zero are told from energies that are wrong."""

import numpy as np
import pytest

from equishare.training.evaluation.energy_zero import another_zero
from equishare.training.evaluation.evaluate import FramePrediction, summarise

MOLECULES = [[1, 1, 8], [6, 1, 1, 1, 1], [6, 8], [6, 8, 1, 1], [8, 8, 1, 1]]
CONSTANTS = {1: -3.0, 6: 1000.0, 8: 1500.0}


def evaluation(errors):
    """Predictions with such errors of their energies, in eV."""
    frames = [
        FramePrediction("one", np.array(numbers), {"energy": error}, {"energy": 0.0})
        for numbers, error in zip(MOLECULES, errors, strict=False)
    ]
    return summarise(frames)


def shift(numbers):
    return sum(CONSTANTS[number] for number in numbers)


def test_constants_of_elements_are_another_zero():
    rng = np.random.default_rng(0)
    said = another_zero(evaluation([shift(numbers) + rng.normal(scale=0.05) for numbers in MOLECULES]))
    assert "another method" in said
    left = float(said.rpartition("RMSE is ")[2].partition(" meV")[0])
    assert 5 < left < 100


def test_one_composition_differs_by_one_number():
    frames = [
        FramePrediction("water", np.array([8, 1, 1]), {"energy": 300.0 + e}, {"energy": 0.0}) for e in (-0.1, 0.1)
    ]
    assert "off by 100 eV/atom" in another_zero(summarise(frames))
    assert "RMSE is 100 meV, 33.3 meV/atom" in another_zero(summarise(frames))


@pytest.mark.parametrize(
    "errors",
    [
        [],
        [shift(MOLECULES[0])],
        [shift(numbers) for numbers in MOLECULES[:3]],  # as many constants as frames: they fit anything
        [0.05, -0.02, 0.1, 0.3, -0.2],
        [90.0, -80.0, 70.0, 60.0, -90.0],
        [float("nan")] * 5,
    ],
)
def test_nothing_is_said_of_small_errors_wild_ones_and_too_few(errors):
    assert another_zero(evaluation(errors)) is None
