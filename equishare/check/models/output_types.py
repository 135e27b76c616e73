"""Outputs whose type nobody gave: which readings fit what the model does."""

import torch

from equishare.check.models.claims.roles import ROLES
from equishare.check.models.culprit.action import residual
from equishare.check.models.noise import Noise
from equishare.check.models.precision import rms, wide
from equishare.check.models.probe import Probe, Quantity
from equishare.check.models.symmetry.element import Element
from equishare.check.models.symmetry.series import Series, alone, together
from equishare.check.models.symmetry.symmetry import Factor
from equishare.check.models.symmetry.transform import Transform
from equishare.check.reports.verdict import PASS_RATIO

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
        errors = [
            max(_error(quantity, t, base[i], values[i], g) for g, values in moved) for t in quantity.readings.options
        ]
        best = min(range(len(errors)), key=errors.__getitem__)
        if errors[best] <= LIKE:
            quantity.transform = quantity.readings.options[best]
            notes.append(f"{quantity.name} was read as {quantity.transform.describe()}, which fits; give its type")
        elif all(_carries(probe, f, s, i, base[i]) for f, s in zip(factors, each, strict=True)):
            dropped.append(i)
        else:
            quantity.unread = True
            probe.cotangents[i] = torch.zeros_like(probe.cotangents[i])
    if dropped:
        names = ", ".join(probe.quantities[i].name for i in dropped)
        notes.append(f"not tested: {names}, which carries an action of the group; give its type to test it")
        _drop(probe, dropped)
    return notes


def _error(quantity: Quantity, transform: Transform, base: torch.Tensor, value: torch.Tensor, g: Element) -> float:
    try:
        expected = transform.apply(wide(base), g)
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


def other_reading(probe: Probe, noise: Noise, name: str, series: Series) -> str:
    """Say under which other type an output would pass, or nothing where its type was given or none fits."""
    i = next(i for i, q in enumerate(probe.quantities) if q.name == name)
    quantity = probe.quantities[i]
    if quantity.readings.settled:
        return ""
    moved = [(g, probe.observe(g, gradients=False)[i]) for g in map(series.element, list(series.numbers)[:TRIED])]
    bound = PASS_RATIO * noise.floors[i] / max(rms(noise.base[i]), 1e-300)
    for transform in quantity.readings.options:
        if transform == quantity.transform:
            continue
        if all(_error(quantity, transform, noise.base[i], value, g) <= bound for g, value in moved):
            spelled = next((role for role, t in ROLES.items() if t.describe() == transform.describe()), "")
            how = f"; give it the type {spelled!r} (`outputs=`, --output)" if spelled else "; give its type"
            guess = quantity.transform.describe()
            return f"FAIL under guessed types ({guess}); as {transform.describe()} it would pass{how}"
    return ""
