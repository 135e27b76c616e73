"""The noise floor: how far rounding alone moves a model's outputs."""

import statistics

import torch
from torch import Tensor

from equishare.check.models.other_inputs import jittered
from equishare.check.models.precision import COUNTERPART, at_precision, is_number, private_copy, rms, wide
from equishare.check.models.probe import Probe
from equishare.check.models.symmetry.element import Element
from equishare.clock import Clock

STOCHASTIC_RUNS = 6
RUNS_ELSEWHERE = 2
"""Runs of stochastic arithmetic at x, and at each g x that the floor is measured on."""
JITTERED_RUNS = 4


class Noise:
    """Floors of every quantity, as root mean squares in the quantity's own unit.

    A model in float32 is compared with its copy in float64; a model in float64 with its copy in float32,
    whose difference is scaled by the ratio of the two epsilons. Where a copy cannot be cast (a function with
    float32 constants inside, compiled code), or draws random numbers, which another precision draws otherwise, the scatter
    under Monte Carlo arithmetic takes its place.

    Args:
        probe: the model and its inputs.
        base: what it returns at the identity.
        seed: of the Monte Carlo arithmetic.
        draws: the model draws random numbers, from a seed of its own say.

    Attributes:
        floors: the largest noise seen so far.
        seconds: what one more measurement takes.
        notes: remarks for the report.
    """

    def __init__(self, probe: Probe, base: list[Tensor], seed: int, *, draws: bool = False) -> None:
        self.probe, self.base, self.seed = probe, base, seed
        self.epsilon = torch.finfo(probe.dtype).eps
        self.notes: list[str] = []
        self.coarse = [0.0] * len(base)
        self.other = None if draws else self._cast_probe()
        # the last digit of the output itself; where the floor is an estimate and no bound, a few of them
        digits = 0.5 if self.other is not None and probe.dtype != torch.float64 else 2.0
        self.least = [digits * self.epsilon * rms(b) for b in base]
        self.floors = list(self.least)
        self.seen: list[list[float]] = [[] for _ in base]
        self.wide_base: list[Tensor] = []
        self.method = "float32 against float64" if self.other is not None else "Monte Carlo arithmetic"
        self.runs = None if self.other is not None else STOCHASTIC_RUNS
        clock = Clock()
        self.measure(None, base)
        self.seconds = clock.seconds * (1 if self.other is not None else RUNS_ELSEWHERE / STOCHASTIC_RUNS)
        if self.other is not None and probe.dtype == torch.float64:
            # one difference may be small by chance, which a bound forgives and an estimate does not
            for number in range(JITTERED_RUNS):
                leaves = jittered(probe, 0.01, seed + number)
                self.measure(None, probe.observe(leaves=leaves), leaves)

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
        if len(observed) != len(self.base):
            return None
        for o, b in zip(observed, self.base, strict=True):
            if o.shape != b.shape or (is_number(b) and o.dtype != at_precision(b, dtype).dtype):
                return None
            if bool(torch.isfinite(b).all()) and not bool(torch.isfinite(o).all()):
                name = str(dtype).removeprefix("torch.")
                self.notes.append(f"the {name} copy gives NaN or infinity at the same input: it is no measure of noise")
                return None
        return other

    def measure(self, g: Element | None, mine: list[Tensor], leaves: list[Tensor] | None = None) -> list[float]:
        """Raise the floors to the noise seen at g x, where the model returned `mine` (x: inputs or `leaves`).

        Returns:
            For every quantity |f64(g x) - g f64(x)|, the error that is left without float32's noise; zeros
            where the model is not compared with a wider copy.
        """
        systematic = [0.0] * len(self.base)
        if self.other is None:
            self._scatter(g, mine)
            return systematic
        theirs = self.other.observe(g, leaves=leaves, gradients=len(mine) == len(self.base))
        if g is None and leaves is None:
            self.wide_base = theirs
        narrower = self.other.dtype == torch.float32 and self.probe.dtype == torch.float64
        # an estimate and no bound, and inputs and expected outputs are rounded in float64 too: hence the 10
        scale = 10 * self.epsilon / torch.finfo(torch.float32).eps if narrower else 1.0
        for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            difference = rms(wide(a) - wide(b))
            if difference == difference:
                self.coarse[i] = max(self.coarse[i], difference if narrower else 0.0)
                self.seen[i].append(scale * difference)
                self.floors[i] = max(self.floors[i], scale * difference)
            if g is not None and not narrower:
                expected = self.probe.quantities[i].expected(self.wide_base[i], g)
                systematic[i] = rms(wide(b) - expected) if expected.shape == b.shape else 0.0
        return systematic

    def typical(self, i: int) -> float:
        """The median of the noise seen so far: one rounding that tips over a threshold does not move it."""
        return max(self.least[i], statistics.median(self.seen[i])) if self.seen[i] else self.floors[i]

    def confirm(self, i: int, g: Element, mine: list[Tensor]) -> float:
        """Raise the floor of one quantity to its scatter under Monte Carlo arithmetic at x and at g x, and return it.

        A float64 model's scaled difference from float32 misses what is large near an edge alone: the error of a root
        or an arc cosine there grows as the square root of epsilon.
        """
        for element, values in ((None, self.base), (g, mine)):
            for run in range(STOCHASTIC_RUNS):
                perturbed = self.probe.observe(
                    element, stochastic=self.seed + run, gradients=len(mine) == len(self.base)
                )
                difference = rms(wide(values[i]) - wide(perturbed[i]))
                if difference == difference:
                    self.floors[i] = max(self.floors[i], difference)
        return self.floors[i]

    def _scatter(self, g: Element | None, mine: list[Tensor]) -> None:
        runs = STOCHASTIC_RUNS if g is None else RUNS_ELSEWHERE
        gradients = len(mine) == len(self.base)
        for run in range(runs):
            perturbed = self.probe.observe(g, stochastic=self.seed + run, gradients=gradients)
            for i, (a, b) in enumerate(zip(mine, perturbed, strict=True)):
                difference = rms(wide(a) - wide(b))
                if difference == difference:
                    self.floors[i] = max(self.floors[i], difference)

    def single_precision_inside(self, i: int, error: float) -> bool:
        """Whether a float64 model's error is what float32 rounding would give it, all of the model or a small part."""
        return 1e-3 * self.coarse[i] <= error <= self.coarse[i]
