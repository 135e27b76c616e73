"""Which parts of a claim move the inputs at all."""

import torch

from equishare.check.models.probe import Probe
from equishare.check.models.symmetry.symmetry import Factor

TRIED = 3


def unmoved(probe: Probe, factors: list[Factor], seed: int) -> list[Factor]:
    """Return the factors whose elements leave every input as it is: a comparison under them tests nothing."""
    return [
        f for f in factors if not any(_moves(probe, f, seed, number) for number in range(min(TRIED, f.size or TRIED)))
    ]


def _moves(probe: Probe, factor: Factor, seed: int, number: int) -> bool:
    moved = probe.arguments(factor.element(seed, probe.setting, number))
    return any(a.shape != b.shape or not torch.equal(a, b) for a, b in zip(moved, probe.arguments(), strict=True))
