"""From an error and a noise floor to a verdict."""

from enum import StrEnum

FAIL_RATIO = 10.0
"""An error of more than ten noise floors is a failure."""

PASS_RATIO = 3.0
"""An error of up to three noise floors passes; what lies between is undecided.

Where the floor is |f32 - f64| on the inputs that the error was taken on, the triangle inequality bounds the
ratio of an exactly equivariant model by 2: |f32(g x) - g f32(x)| <= |f32(g x) - f64(g x)| + |g f64(x) - g
f32(x)|.
"""

RARE_FAULT = 0.1
"""Confidence in a pass is the chance to have met a fault that spoils this fraction of the group elements."""


class Verdict(StrEnum):
    """What a check found."""

    PASS = "pass"
    FAIL = "fail"
    UNDECIDED = "undecided"

    @staticmethod
    def worst(verdicts: "list[Verdict]") -> "Verdict":
        """Fail if any fails, else undecided if any is, else pass.

        Example:
            >>> Verdict.worst([Verdict.PASS, Verdict.UNDECIDED]).value
            'undecided'
        """
        order = [Verdict.FAIL, Verdict.UNDECIDED]
        return next((v for v in order if v in verdicts), Verdict.PASS)


def judge(ratio: float, accepted: bool = False) -> Verdict:
    """Compare an error, in units of the noise floor, with the two thresholds; `accepted` errors pass.

    Example:
        >>> judge(1.4).value, judge(5.0).value, judge(40.0).value, judge(float("nan")).value
        ('pass', 'undecided', 'fail', 'fail')
    """
    if accepted or ratio <= PASS_RATIO:
        return Verdict.PASS
    return Verdict.UNDECIDED if ratio <= FAIL_RATIO else Verdict.FAIL


def confidence(verdict: Verdict, ratio: float, samples: int, exhaustive: bool, floor_runs: int | None) -> float:
    """Return how sure the verdict is, between 0 and 1.

    A pass: the probability to have drawn at least one bad element if one in ten is bad, 1 - 0.9^samples (1
    where every element of the group was tried). A failure: 1 where the floor bounds rounding (`floor_runs`
    None), else the probability, under Student's t with `floor_runs` - 1 degrees of freedom, that noise
    stays below the error.

    Example:
        >>> round(confidence(Verdict.PASS, 1.0, 48, False, None), 3)
        0.994
    """
    if verdict is Verdict.PASS:
        return 1.0 if exhaustive else 1 - (1 - RARE_FAULT) ** samples
    if verdict is Verdict.UNDECIDED:
        return 0.5
    if floor_runs is None or ratio != ratio:
        return 1.0
    # loaded here alone: scipy.stats would make every start half a second longer
    from scipy.special import stdtr

    return float(max(0.0, 1 - 2 * samples * stdtr(max(floor_runs - 1, 1), -ratio / 2)))
