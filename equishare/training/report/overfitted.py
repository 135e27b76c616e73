"""Whether a run went on for too long for its frames."""

from collections.abc import Iterable, Mapping
from typing import Any

from equishare.training.config.durations import format_duration
from equishare.training.run_folder import kept_row

_EARLY = 0.6
"""Part of the steps: a best model that is older has not seen the learning rate fall."""
_WORSE = 1.1
"""Times the lowest validation loss: less is chance."""
_FEWEST = 8
"""Validations."""


def overfitted(rows: Iterable[Mapping[str, Any]]) -> str | None:
    """What to do about validations that were best long before the end and have got worse since; None: nothing.

    >>> rows = [{"step": k, "seconds": 6.0 * k, "valid_loss": 2.0 + abs(k - 3) / 10} for k in range(1, 11)]
    >>> overfitted(rows).partition(".")[0]
    'the validation loss was lowest after 18s of 1m, and is 35 % higher at the end'
    >>> overfitted(rows[:6]) is None  # too few to tell
    True
    """
    rows = list(rows)
    if len(rows) < _FEWEST or (best := kept_row(rows))["step"] > _EARLY * rows[-1]["step"]:
        return None
    more = rows[-1]["valid_loss"] / best["valid_loss"]
    if more < _WORSE:
        return None
    when, whole = (format_duration(max(1, round(row["seconds"]))) for row in (best, rows[-1]))
    shorter = format_duration(max(1, round(1.5 * best["seconds"])))
    return (
        f"the validation loss was lowest after {when} of {whole}, and is {100 * (more - 1):.0f} % higher at the end. Kept are the weights "
        f"of then, when the learning rate had not fallen yet: a run of about {shorter} lets it fall by then, and more frames help more"
    )
