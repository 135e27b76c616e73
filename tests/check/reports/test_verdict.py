import math

import pytest

from equishare.check.reports.verdict import FAIL_RATIO, PASS_RATIO, Verdict, confidence, judge


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (0.0, "pass"),
        (PASS_RATIO, "pass"),
        (5.0, "undecided"),
        (FAIL_RATIO, "undecided"),
        (10.1, "fail"),
        (math.inf, "fail"),
    ],
)
def test_thresholds(ratio, verdict):
    assert judge(ratio) == verdict


def test_a_tolerance_wins():
    assert judge(1e6, accepted=True) is Verdict.PASS


def test_confidence_grows_with_samples():
    few, many = (confidence(Verdict.PASS, 1.0, n, False, None) for n in (8, 48))
    assert few < many < 1
    assert confidence(Verdict.PASS, 1.0, 3, True, None) == 1
    assert confidence(Verdict.FAIL, 1e4, 24, False, 6) > 0.999
    assert confidence(Verdict.FAIL, 12.0, 24, False, 6) < 1


def test_the_worst_verdict():
    assert Verdict.worst([Verdict.PASS, Verdict.FAIL, Verdict.UNDECIDED]) is Verdict.FAIL
    assert Verdict.worst([]) is Verdict.PASS
