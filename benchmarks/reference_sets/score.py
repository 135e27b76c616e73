"""One number for many sets: the geometric mean of error over reference."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from reference_sets.sets import SETS, Reference

Row = Mapping[str, Any]


def error(rows: Iterable[Row], reference: Reference, part: str) -> float:
    """Mean over the seeds of an error, in the unit of its reference; NaN without a run."""
    values = [1000 * row[part][reference.metric] for row in rows]
    return sum(values) / len(values) if values else math.nan


def score(rows: Iterable[Row], quantity: str, part: str) -> tuple[float, list[str]]:
    """Geometric mean over the scored sets of error / reference, and the sets that have a run.

    Args:
        rows: Runs of one preset and budget.
        quantity: ``energy`` or ``forces``.
        part: ``valid`` to choose by, ``test`` to report.

    >>> row = {"set": "lithium", "test": {"forces_mae": 0.02}}
    >>> score([row], "forces", "test")
    (2.0, ['lithium'])
    """
    rows = list(rows)
    ratios, names = [], []
    for name, each in SETS.items():
        reference: Reference = getattr(each, quantity)
        value = error([row for row in rows if row["set"] == name], reference, part)
        if each.scored and not math.isnan(value):
            ratios.append(value / reference.value)
            names.append(name)
    if not ratios:
        return math.nan, []
    return round(math.exp(sum(map(math.log, ratios)) / len(ratios)), 4), names


def front(points: Mapping[str, tuple[float, float]]) -> set[str]:
    """Names of the points (cost, error) that no other one beats in both.

    >>> sorted(front({"a": (1.0, 3.0), "b": (2.0, 2.0), "c": (3.0, 2.5)}))
    ['a', 'b']
    """
    return {
        name
        for name, (cost, error) in points.items()
        if not any(c <= cost and e <= error and (c, e) != (cost, error) for c, e in points.values())
    }
