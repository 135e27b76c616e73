"""Outputs whose type nobody gave: which readings fit what the model does."""

import torch

from equishare.check.errors import CheckError
from equishare.check.models.culprit.action import residual
from equishare.check.models.precision import rms, wide
from equishare.check.models.probe import Probe
from equishare.check.models.symmetry.element import Element
from equishare.check.models.symmetry.index import Index
from equishare.check.models.symmetry.series import Series, alone, together
from equishare.check.models.symmetry.symmetry import Factor
from equishare.check.models.symmetry.transform import Transform

TRIED = 4
LIKE = 0.01
"""Relative error up to which an output is taken to be meant as a type; by how much it misses it is then tested."""
CARRIED = 1e-4
"""Relative distance from any action of the group up to which an output is taken to carry one."""


def read_foreign_outputs(probe: Probe, factors: list[Factor], seed: int) -> list[str]:
    """Settle the outputs whose names say nothing: the reading that fits best, or none; return notes.

    An output that has none of the listed types but carries some action of the group (hidden features, say) is left
    out; one that carries none stays, `unread`, since it may be broken.
    """
    foreign = [q for q in probe.quantities if q.readings.foreign]
    if not foreign:
        return []
    each = [alone(f, probe.setting, seed, TRIED) for f in factors]
    series = together(each) if len(each) > 1 else each[0]
    chosen = list(series.numbers)[:TRIED]
    base = probe.observe(gradients=False)
    moved = [(g, probe.observe(g, gradients=False)) for g in map(series.element, chosen)]
    notes, dropped = [], []
    for i, quantity in enumerate(probe.quantities[: len(base)]):
        if not quantity.readings.foreign:
            continue
        errors = [max(error_as(t, base[i], values[i], g) for g, values in moved) for t in quantity.readings.options]
        best = min(range(len(errors)), key=errors.__getitem__)
        if errors[best] <= LIKE:
            quantity.transform = quantity.readings.options[best]
            notes.append(f"{quantity.name} was read as {quantity.transform.describe()}, which fits; give its type")
        elif all(_carries(probe, f, s, i, base[i]) for f, s in zip(factors, each, strict=True)):
            dropped.append(i)
        else:
            quantity.unread = True
            probe.cotangents[i] = torch.zeros_like(probe.cotangents[i])
    if dropped and len(dropped) == len(probe.kept):
        names = ", ".join(probe.quantities[i].name for i in dropped)
        raise CheckError(
            f"no output is left to compare: {names} carries an action of the group, but of no type that is listed; give "
            "its type (`outputs=`, or --output at the prompt), or name a function that returns what should be compared"
        )
    if dropped:
        names = ", ".join(probe.quantities[i].name for i in dropped)
        notes.append(f"not tested: {names}, which carries an action of the group; give its type to test it")
        _drop(probe, dropped)
    return notes


def error_as(transform: Transform, base: torch.Tensor, value: torch.Tensor, g: Element) -> float:
    """Relative error of a value at g x, taken as what a type makes of the one at x; infinity where it does not fit."""
    try:
        expected = wide(transform.apply(base if isinstance(transform, Index) else wide(base), g))
    except ValueError:
        return float("inf")
    if expected.shape != value.shape:
        return float("inf")
    error = rms(wide(value) - expected) / max(rms(base), 1e-300)
    return error if error == error else float("inf")


def _carries(probe: Probe, factor: Factor, series: Series, i: int, base: torch.Tensor) -> bool:
    g = series.element(series.numbers[0])
    after = probe.observe(g, gradients=False)[i]
    return residual([base], [after], factor, g, probe.setting, CARRIED) <= 10 * CARRIED


def _drop(probe: Probe, numbers: list[int]) -> None:
    """Take outputs out of what is compared; gradients, which come last, stay."""
    outputs = len(probe.kept)
    left = [i for i in range(outputs) if i not in numbers]
    probe.quantities = [probe.quantities[i] for i in left] + probe.quantities[outputs:]
    probe.kept = [probe.kept[i] for i in left]
    probe.cotangents = [probe.cotangents[i] for i in left]
