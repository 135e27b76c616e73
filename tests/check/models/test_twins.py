"""Every broken model is found and its culprit named; no correct twin is accused."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

import checker_twins

IDS = [twins.name for twins in checker_twins.TWINS]


def test_there_are_enough_of_them():
    assert len(set(IDS)) == len(IDS) >= 20


@pytest.mark.parametrize("twins", checker_twins.TWINS, ids=IDS)
def test_the_culprit_is_named(twins):
    report = checker_twins.check(twins, broken=True, seed=1)
    assert report.verdict == twins.verdict, report
    assert report.culprit == twins.culprit(1), report


@pytest.mark.parametrize("twins", checker_twins.TWINS, ids=IDS)
def test_the_twin_is_not_accused(twins):
    report = checker_twins.check(twins, broken=False, seed=1)
    assert report.passed, report
    assert report.culprit is None


@pytest.mark.slow
@pytest.mark.parametrize("twins", checker_twins.TWINS, ids=IDS)
@pytest.mark.parametrize("seed", range(2, 7))
def test_with_other_weights_and_inputs(twins, seed):
    assert checker_twins.check(twins, broken=True, seed=seed).culprit == twins.culprit(seed)
    assert checker_twins.check(twins, broken=False, seed=seed).passed
