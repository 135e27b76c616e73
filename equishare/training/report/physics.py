"""The laws that a fitted potential is checked against at the end of a run, and what that may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from equishare.clock import Clock
from equishare.potential import Potential

if TYPE_CHECKING:
    from equishare.check.reports.calculator_report import CalculatorReport

# evaluations that each part of the check takes, about
_LAWS, _SCAN, _DYNAMICS = 150, 350, 300
_WARM_UP = 2


def seconds_allowed(max_time: float | None) -> float:
    """Time that the check may take: a twentieth of the budget, but 12 s at least; 20 s for a budget in epochs."""
    return max(12.0, 0.05 * max_time) if max_time else 20.0


def expected_seconds(evaluation_seconds: float, allowed: float) -> float:
    """What the check will take."""
    chosen = _choose(evaluation_seconds, allowed)
    evaluations = _LAWS * chosen["samples"] / 3 + _SCAN * chosen["scan"] + _DYNAMICS * chosen["dynamics"]
    return evaluation_seconds * evaluations


def check(potential: Potential, atoms: Atoms, allowed: float) -> tuple[CalculatorReport, float]:
    """Check a potential on one structure; returns the report, and the seconds of one evaluation as in dynamics."""
    from equishare.check import calculator

    seconds = evaluation_seconds(potential, atoms)
    return calculator(potential.calculator(), atoms, **_choose(seconds, allowed)), seconds


def evaluation_seconds(potential: Potential, atoms: Atoms, n: int = 12) -> float:
    """Median time of energy and forces of a structure whose atoms move a little between evaluations.

    The first two are not timed: they compile, and find the neighbours.
    """
    moving = atoms.copy()
    moving.calc = potential.calculator()
    generator = np.random.default_rng(0)
    times: list[float] = []
    for number in range(_WARM_UP + n):
        moving.positions += generator.normal(scale=0.003, size=moving.positions.shape)
        clock = Clock()
        moving.get_forces()
        if number >= _WARM_UP:
            times.append(clock.seconds)
        if sum(times) > 3.0:
            break
    return float(np.median(times))


def _choose(seconds: float, allowed: float) -> dict[str, Any]:
    """The most thorough check that the time allows."""
    if seconds * (_LAWS + _SCAN + _DYNAMICS) <= allowed:
        return {"samples": 3, "scan": True, "dynamics": True}
    if seconds * (_LAWS + _SCAN) <= allowed:
        return {"samples": 3, "scan": True, "dynamics": False}
    return {"samples": 3 if seconds * _LAWS <= allowed else 1, "scan": False, "dynamics": False}
