"""f(g x) against g f(x) over a series of elements, judged by the model's own noise."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from equishare.check.models.noise import Noise
from equishare.check.models.precision import rms, wide
from equishare.check.models.probe import Probe
from equishare.check.models.symmetry.element import Element
from equishare.check.models.symmetry.series import Series
from equishare.check.reports.symmetry_report import SymmetryTest
from equishare.check.reports.verdict import FAIL_RATIO, Verdict, confidence, judge

GRADIENT_SAMPLES = 8
FLOOR_SAMPLES = 2


@dataclass
class _Worst:
    """The largest error of one quantity in one series."""

    error: float = -1.0
    number: int = 0
    element: Element | None = None
    observed: list[Tensor] = field(default_factory=list)


class Comparison:
    """Compares a model's values at g x with what its values at x make them to be.

    Args:
        probe: the model and its inputs.
        noise: its noise floors, raised on the way; it holds the values at x.
        tolerance: relative error that passes whatever the floor.
    """

    def __init__(self, probe: Probe, noise: Noise, tolerance: float) -> None:
        self.probe, self.noise, self.tolerance = probe, noise, tolerance
        self.base = noise.base
        self.scales = [max(rms(b), 1e-300) for b in self.base]

    def judge(self, series: Series, enough: int, progress: Callable[[int], None]) -> list[SymmetryTest]:
        """Try the elements of a series and judge every quantity.

        Args:
            series: what to try.
            enough: the series ends after so many elements if one quantity fails by then.
            progress: called with the number of elements tried, before each.
        """
        quantities = range(len(self.probe.quantities))
        worst = [_Worst() for _ in quantities]
        systematic = [0.0 for _ in quantities]
        measured: set[int] = set()

        def measure(number: int, g: Element, observed: list[Tensor]) -> None:
            if number not in measured:
                measured.add(number)
                systematic[:] = [max(pair) for pair in zip(systematic, self.noise.measure(g, observed), strict=True)]

        tried = 0
        for number in series.numbers:
            progress(tried)
            g = series.element(number)
            observed = self.probe.observe(g, gradients=tried < GRADIENT_SAMPLES)
            for i, value in enumerate(observed):
                error = self._error(i, value, g)
                if worst[i].error == worst[i].error and not error <= worst[i].error:  # a NaN stays
                    worst[i] = _Worst(error, number, g, observed)
            if tried < FLOOR_SAMPLES:
                measure(number, g, observed)
            tried += 1
            if tried >= enough and self._fails(worst):
                break
        for i, w in enumerate(worst):
            # where an error leaves the floor, the floor is measured on the very input that the error was
            if w.error > 2 * self.noise.floors[i] and w.element is not None:
                measure(w.number, w.element, w.observed)
        return [self._test(i, series, worst[i], systematic[i], tried) for i in quantities]

    def _fails(self, worst: list[_Worst]) -> bool:
        """Whether a quantity is so far off that measuring its floor once more will not save it."""
        for i, w in enumerate(worst):
            accepted = w.error <= self.tolerance * self.scales[i]
            if not accepted and not w.error <= 10 * FAIL_RATIO * self.noise.floors[i]:
                return True
        return False

    def _error(self, i: int, value: Tensor, g: Element) -> float:
        expected = self.probe.quantities[i].expected(self.base[i], g)
        if expected.shape != value.shape:
            return float("inf")
        return rms(wide(value) - expected)

    def _test(self, i: int, series: Series, worst: _Worst, systematic: float, count: int) -> SymmetryTest:
        quantity, floor = self.probe.quantities[i], self.noise.floors[i]
        ratio = worst.error / floor if floor > 0 else (0.0 if worst.error == 0 else float("inf"))
        # what is left in float64 is no noise, even where float32's noise happens to be as large
        ratio = max(ratio, systematic / max(self.noise.typical(i), 1e-300))
        relative = worst.error / self.scales[i]
        accepted = relative <= self.tolerance
        verdict = judge(ratio, accepted)
        note = ""
        doubtful = verdict is not Verdict.PASS and self.probe.dtype == torch.float64 and self.noise.other is not None
        if doubtful and worst.element is not None and worst.error < float("inf"):
            floor = self.noise.confirm(i, worst.element, worst.observed)
            ratio = worst.error / floor
            verdict = judge(ratio, accepted)
        other = worst.observed[i].shape if worst.observed else self.base[i].shape
        if other != self.base[i].shape:
            note = f"its shape changes: {list(self.base[i].shape)} at x, {list(other)} at g x"
        if relative != relative or not torch.isfinite(self.base[i]).all():
            verdict, note = Verdict.FAIL, "NaN or infinity"
        elif verdict is Verdict.FAIL and self.noise.single_precision_inside(i, worst.error):
            verdict, note = Verdict.UNDECIDED, "single precision inside: a cast, or constants stored in float32"
        tried = min(count, GRADIENT_SAMPLES) if quantity.gradient else count
        exhaustive = series.exhaustive and tried == len(series)
        return SymmetryTest(
            factor=series.name,
            quantity=quantity.name,
            transform=quantity.transform.describe(),
            gradient=quantity.gradient,
            verdict=verdict,
            error=relative,
            noise_floor=floor / self.scales[i],
            ratio=ratio,
            confidence=confidence(verdict, ratio, tried, exhaustive, self.noise.runs),
            samples=tried,
            number=worst.number,
            element=worst.element,
            note=note or self._hint(i, series, worst, verdict),
        )

    def _hint(self, i: int, series: Series, worst: _Worst, verdict: Verdict) -> str:
        """Where only improper elements fail, look whether the output has the other parity."""
        if verdict is Verdict.PASS or series.name != "reflection" or worst.element is None:
            return ""
        value = self.probe.observe(worst.element)[i]
        value = wide(value)
        expected = self.probe.quantities[i].expected(self.base[i], worst.element)
        if value.shape == expected.shape and rms(value + expected) <= 10 * self.noise.floors[i]:
            return "transforms with the opposite parity"
        return ""
