"""Every broken model is found and its culprit named; no correct twin is accused."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

import checker_bestiary

IDS = [beast.name for beast in checker_bestiary.BEASTS]


def test_the_bestiary_is_large_enough():
    assert len(set(IDS)) == len(IDS) >= 20


@pytest.mark.parametrize("beast", checker_bestiary.BEASTS, ids=IDS)
def test_the_culprit_is_named(beast):
    report = checker_bestiary.check(beast, broken=True, seed=1)
    assert report.verdict == beast.verdict, report
    assert report.culprit == beast.culprit(1), report


@pytest.mark.parametrize("beast", checker_bestiary.BEASTS, ids=IDS)
def test_the_twin_is_not_accused(beast):
    report = checker_bestiary.check(beast, broken=False, seed=1)
    assert report.passed, report
    assert report.culprit is None


@pytest.mark.slow
@pytest.mark.parametrize("beast", checker_bestiary.BEASTS, ids=IDS)
@pytest.mark.parametrize("seed", range(2, 7))
def test_with_other_weights_and_inputs(beast, seed):
    assert checker_bestiary.check(beast, broken=True, seed=seed).culprit == beast.culprit(seed)
    assert checker_bestiary.check(beast, broken=False, seed=seed).passed
