"""The noise floor: how far rounding alone moves a model's outputs."""

import torch
from torch import Tensor

from equishare.check.element import Element
from equishare.check.precision import COUNTERPART, private_copy
from equishare.check.probe import Probe

STOCHASTIC_RUNS = 6


class Noise:
    """Floors of every quantity, as root mean squares in the quantity's own unit.

    A model in float32 is compared with its copy in float64; a model in float64 with its copy in float32,
    whose difference is scaled by the ratio of the two epsilons. Where a copy cannot be cast (a function with
    float32 constants inside, compiled code), the scatter under Monte Carlo arithmetic takes its place.

    Args:
        probe: the model and its inputs.
        base: what it returns at the identity.
        seed: of the Monte Carlo arithmetic.
    """

    def __init__(self, probe: Probe, base: list[Tensor], seed: int) -> None:
        self.probe, self.base, self.seed = probe, base, seed
        self.epsilon = torch.finfo(probe.dtype).eps
        self.floors = [0.5 * self.epsilon * rms(b) for b in base]
        self.coarse = [0.0] * len(base)
        self.other = self._cast_probe()
        self.method = "float32 against float64" if self.other is not None else "Monte Carlo arithmetic"
        self.runs = None if self.other is not None else STOCHASTIC_RUNS
        self.cost = 2.5 if self.other is not None else 6.0
        self.measure(None)

    def _cast_probe(self) -> Probe | None:
        """Return the probe at the counterpart precision, or None where the model cannot be cast."""
        if self.probe.dtype not in COUNTERPART:
            return None
        dtype = COUNTERPART[self.probe.dtype]
        try:
            other = self.probe.at(private_copy(self.probe.model, dtype), dtype)
            observed = other.observe()
        except Exception:
            return None
        usable = len(observed) == len(self.base) and all(
            o.dtype == dtype and o.shape == b.shape for o, b in zip(observed, self.base, strict=True)
        )
        return other if usable else None

    def measure(self, g: Element | None) -> None:
        """Raise the floors to the noise seen at g x."""
        if self.other is None:
            self._scatter(g)
            return
        mine, theirs = self.probe.observe(g), self.other.observe(g)
        scale = 1.0
        if self.other.dtype == torch.float32 and self.probe.dtype == torch.float64:
            # the transformed input and the expected output are themselves rounded in float64: hence the 4
            scale = 4 * self.epsilon / torch.finfo(torch.float32).eps
        for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            difference = rms(a.to(torch.float64) - b.to(torch.float64))
            if difference == difference:
                self.coarse[i] = max(self.coarse[i], difference if scale != 1.0 else 0.0)
                self.floors[i] = max(self.floors[i], scale * difference)

    def _scatter(self, g: Element | None) -> None:
        runs = STOCHASTIC_RUNS if g is None else 2
        mine = self.probe.observe(g)
        for run in range(runs):
            perturbed = self.probe.observe(g, stochastic=self.seed + run)
            for i, (a, b) in enumerate(zip(mine, perturbed, strict=True)):
                difference = rms(a.to(torch.float64) - b.to(torch.float64))
                if difference == difference:
                    self.floors[i] = max(self.floors[i], difference)

    def single_precision_inside(self, i: int, error: float) -> bool:
        """Whether a float64 model's error is what float32 rounding would give it."""
        return 0 < error <= self.coarse[i]


def rms(x: Tensor) -> float:
    """Root mean square of a tensor, 0 for an empty one."""
    return float(x.to(torch.float64).square().mean().sqrt()) if x.numel() else 0.0
