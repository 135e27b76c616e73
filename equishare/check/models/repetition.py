"""Whether a model gives one answer to one question, whatever it was asked before, and another to another."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

from equishare.check.models.other_inputs import jittered, very_different
from equishare.check.models.precision import Model, module_of, rms, wide
from equishare.check.models.probe import Probe
from equishare.check.models.stochastic_arithmetic import random_state
from equishare.check.reports.symmetry_report import SymmetryTest
from equishare.check.reports.verdict import Verdict

REPEATED = 10.0
"""Runs on one input may differ by this many epsilons."""
DRAWN = 3.0
"""So many where the model draws random numbers, on a CPU."""
REORDERED = {"cpu": 1e2, "cuda": 1e3}
"""So many where sums run in another order from call to call, by threads on a CPU, by atomic additions on a GPU."""

RANDOM = "not deterministic: f(x) differs from f(x)"
MEMORY = "remembers: f(x) differs after another input was evaluated"
STALE = "remembers: f(x) differs from what a fresh copy of the model gives"


@dataclass
class Scatter:
    """How far every quantity is from its first value, as root mean squares.

    Attributes:
        at_once: where the same input comes again at once.
        later: where other inputs came in between, close ones and very different ones.
        fresh: between the used model and a fresh copy, at an input that neither has seen.
        draws: the model draws random numbers of torch or NumPy.
    """

    at_once: list[float]
    later: list[float]
    fresh: list[float]
    draws: bool = False

    @property
    def largest(self) -> list[float]:
        """The largest of the three."""
        return [max(three) for three in zip(self.at_once, self.later, self.fresh, strict=True)]


def scatter(probe: Probe, base: list[Tensor], fresh: Callable[[], Model] | None, seed: int) -> Scatter:
    """Evaluate x again: at once, after a close input, after a very different one; and compare with a fresh copy.

    Args:
        probe: the model and its inputs.
        base: what it returned for x.
        fresh: makes a copy of the model that has evaluated nothing yet; None where it cannot be copied.
        seed: of the other inputs.
    """
    state = random_state()
    at_once = _distances(base, probe.observe())
    draws = random_state() != state
    close = jittered(probe, 0.01, seed)
    used = probe.observe(leaves=close)
    later = _distances(base, probe.observe())
    for leaves in very_different(probe, seed):
        try:
            probe.observe(leaves=leaves, gradients=False)
        except Exception:
            continue
        later = [max(pair) for pair in zip(later, _distances(base, probe.observe()), strict=True)]
        break
    new = [0.0] * len(base)
    if fresh is not None:
        new = _distances(used, probe.at(fresh(), probe.dtype).observe(leaves=close))
    with suppress(Exception):  # not every model runs so
        probe.observe(stochastic=seed, gradients=False)
    return Scatter(at_once, later, new, draws or probe.draws)


def _distances(first: list[Tensor], second: list[Tensor]) -> list[float]:
    if len(first) != len(second):
        return [float("inf")] * len(first)
    return [rms(wide(a) - wide(b)) if a.shape == b.shape else float("inf") for a, b in zip(first, second, strict=True)]


def tests_of_scatter(probe: Probe, base: list[Tensor], found: Scatter, notes: list[str]) -> list[SymmetryTest]:
    """Return a row for each quantity that differs from run to run by more than re-ordered sums can."""
    rows: list[SymmetryTest] = []
    epsilon = torch.finfo(probe.dtype).eps
    device = next((leaf.device.type for _, leaf in probe.inputs), "cpu")
    for i, (quantity, first) in enumerate(zip(probe.quantities, base, strict=True)):
        scale, largest = max(rms(first), 1e-300), found.largest[i]
        # sums in another order differ at once, not only after something else
        reordered = found.at_once[i] >= 0.1 * largest
        bound = epsilon * (REORDERED.get(device, 1e3) if reordered else REPEATED)
        # what a model that draws random numbers changes by is no rounding
        bound = epsilon * DRAWN if found.draws and reordered and device == "cpu" else bound
        if largest <= bound * scale:
            if largest > 0:
                notes.append(f"{quantity.name} differs from run to run, by rounding only")
            continue
        finite = bool(torch.isfinite(first).all())
        why = RANDOM if reordered else MEMORY if found.later[i] >= 0.1 * largest else STALE
        rows.append(
            SymmetryTest(
                factor="repetition",
                quantity=quantity.name,
                transform=quantity.transform.describe(),
                gradient=quantity.gradient,
                verdict=Verdict.FAIL,
                error=largest / scale,
                noise_floor=bound,
                ratio=largest / scale / bound,
                confidence=1.0,
                samples=2,
                note=why if finite else "NaN or infinity",
            )
        )
    module = module_of(probe.model)
    if any(row.note == RANDOM for row in rows) and module is not None and module.training:
        notes.append("the model is in training mode, in which layers such as dropout are random; call eval() first")
    return rows


def constant_outputs(base: list[Tensor], moved: list[Tensor], floors: list[float]) -> list[bool]:
    """Say which outputs stay what they are at another input: those pass every test and prove nothing."""
    return [
        a.shape == b.shape and rms(wide(a) - wide(b)) <= floor for a, b, floor in zip(base, moved, floors, strict=False)
    ]
