"""Calibration tells good uncertainties from bad ones."""

import json

import numpy as np
import pytest

from equishare.training.evaluation.calibration import Calibration, calibrations
from equishare.training.evaluation.evaluate import FramePrediction, summarise
from equishare.training.report import plots


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    spread = rng.uniform(0.05, 1.0, size=3000)
    return spread[:, None] * rng.normal(size=(3000, 3)), spread


def test_uncertainties_that_are_right(samples):
    found = Calibration.of(*samples)
    assert np.allclose(found.predicted, found.actual, rtol=0.1)
    assert found.within_one == pytest.approx(0.683, abs=0.02)
    assert found.within_two == pytest.approx(0.954, abs=0.01)
    assert found.correlation > 0.7
    json.dumps(found.to_dict())


def test_too_sure_and_uninformed(samples):
    error, spread = samples
    sure = Calibration.of(error, spread / 3)
    assert sure.within_two < 0.6
    assert np.allclose(sure.actual / sure.predicted, 3, rtol=0.1)
    same = Calibration.of(error, np.full(len(spread), 0.5))
    assert np.isnan(same.correlation)
    assert same.to_dict()["rank_correlation"] is None
    shuffled = Calibration.of(error, np.random.default_rng(1).permutation(spread))
    assert abs(shuffled.correlation) < 0.1
    assert shuffled.actual[-1] / shuffled.actual[0] < 1.3


def frame(energy_error=0.1, labelled=True, uncertain=True):
    known = 0.0 if labelled else np.nan
    return FramePrediction(
        "f",
        np.array([1, 1]),
        predicted={"energy": energy_error, "forces": np.ones((2, 3))},
        labels={"energy": known, "forces": np.full((2, 3), known)},
        uncertainties={"energy": 0.2, "forces": np.array([0.3, 0.4])} if uncertain else {},
    )


def test_only_what_is_labelled_and_uncertain_counts():
    found = calibrations(summarise([frame(), frame(labelled=False), frame(uncertain=False)]))
    assert found["energy"].predicted.tolist() == [0.2]
    assert found["forces"].predicted.tolist() == [pytest.approx(np.sqrt((0.09 + 0.16) / 2))]
    assert calibrations(summarise([frame(uncertain=False)])) == {}
    assert calibrations(summarise([frame(labelled=False)])) == {}


def test_the_picture_says_what_was_found(samples):
    figure = plots.calibration({"energy": Calibration.of(*samples), "forces": Calibration.of(*samples)})
    texts = " ".join(text.get_text() for axis in figure.axes for text in axis.texts)
    assert "within σ 69 %, 2σ 95 %" in texts
    assert len(figure.axes) == 2
