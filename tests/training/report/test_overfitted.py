"""Runs that went on for too long are told so."""

import pytest

from equishare.training.report.overfitted import overfitted


def rows(losses):
    return [{"step": 10 * k, "seconds": 60.0 * k, "valid_loss": loss} for k, loss in enumerate(losses, start=1)]


def test_best_long_before_the_end():
    said = overfitted(rows([9, 4, 2, *[2 + 0.2 * k for k in range(1, 8)]]))
    assert "lowest after 3m of 10m, and is 70 % higher at the end" in said
    assert "a run of about 4m30s" in said


@pytest.mark.parametrize(
    "losses",
    [
        [],
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 1.2],  # late
        [9, 4, 2, 2.1, 2.0, 2.1, 2.1, 2.1, 2.1, 2.1],  # hardly worse
        [9, 4, 2, 3, 3, 3, 3],  # too few to tell
    ],
)
def test_all_others(losses):
    assert overfitted(rows(losses)) is None
