"""Whether a model gives one answer to one question, and another to another."""

import torch
from torch import Tensor

from equishare.check.models.noise import rms
from equishare.check.models.probe import Probe
from equishare.check.reports.symmetry_report import SymmetryTest
from equishare.check.reports.verdict import Verdict

REORDERING = 1e3
"""Runs on one input may differ by this many epsilons, as atomic additions do; what differs more is random."""


def scatter(probe: Probe, base: list[Tensor], seed: int) -> list[float]:
    """Evaluate x again, after another input: a model with memory or dropout gives another answer.

    Returns:
        How far every quantity is from its first value, as a root mean square.
    """
    probe.observe(leaves=probe.jittered(0.01, seed))
    return [
        rms(first.to(torch.float64) - second.to(torch.float64)) if first.shape == second.shape else float("inf")
        for first, second in zip(base, probe.observe(), strict=True)
    ]


def tests_of_scatter(probe: Probe, base: list[Tensor], scatters: list[float], notes: list[str]) -> list[SymmetryTest]:
    """Return a row for each quantity that differs from run to run by more than re-ordered sums can."""
    rows = []
    bound = REORDERING * torch.finfo(probe.dtype).eps
    for quantity, first, found in zip(probe.quantities, base, scatters, strict=True):
        scale = max(rms(first), 1e-300)
        if found <= bound * scale:
            if found > 0:
                notes.append(f"{quantity.name} differs from run to run, by rounding only (atomic additions?)")
            continue
        finite = bool(torch.isfinite(first).all())
        rows.append(
            SymmetryTest(
                factor="repetition",
                quantity=quantity.name,
                transform=quantity.transform.describe(),
                gradient=quantity.gradient,
                verdict=Verdict.FAIL,
                error=found / scale,
                noise_floor=bound,
                ratio=found / scale / bound,
                confidence=1.0,
                samples=2,
                note="not deterministic: f(x) differs from f(x)" if finite else "NaN or infinity",
            )
        )
    return rows


def constant_outputs(base: list[Tensor], moved: list[Tensor], floors: list[float]) -> list[bool]:
    """Say which outputs stay what they are at another input: those pass every test and prove nothing."""
    return [
        a.shape == b.shape and rms(a.to(torch.float64) - b.to(torch.float64)) <= floor
        for a, b, floor in zip(base, moved, floors, strict=False)
    ]
