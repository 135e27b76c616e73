"""One run of the check of a model: what is tried, in which order, and what it costs."""

import time
from collections.abc import Callable, Sequence

from equishare.check.models.comparison import FLOOR_SAMPLES, GRADIENT_SAMPLES, Comparison
from equishare.check.models.culprit.search import FRAMES, Culprit, find_culprit
from equishare.check.models.noise import Noise, rms
from equishare.check.models.probe import Probe
from equishare.check.models.repetition import constant_outputs, scatter, tests_of_scatter
from equishare.check.models.symmetry.series import Products, Series, alone, together
from equishare.check.models.symmetry.symmetry import Factor
from equishare.check.reports.report_base import duration
from equishare.check.reports.symmetry_report import SymmetryTest
from equishare.check.reports.verdict import PASS_RATIO, Verdict

Progress = Callable[[float, str], None]

CLEAR_RATIO = 2.0
"""Rounding alone cannot exceed this ratio (see `verdict.PASS_RATIO`); products that do are looked into."""
TRACED = 2.0
"""A call whose modules are recorded and compared takes about so many times the plain one."""


class Examination:
    """The values at the identity, the noise, the series of elements, the search for the culprit.

    Args:
        probe: the model and its inputs.
        samples: elements for each factor, or None for what the factor wants.
        seed: of everything that is drawn.
        tolerance: relative error that passes whatever the floor.
        progress: called with the fraction done and what is being done.
        notes: remarks for the report are added here.
    """

    def __init__(
        self,
        probe: Probe,
        samples: int | None,
        seed: int,
        tolerance: float,
        progress: Progress | None,
        notes: list[str],
    ) -> None:
        self.started = time.perf_counter()
        self.probe, self.samples, self.seed, self.notes = probe, samples, seed, notes
        self.progress = progress or (lambda fraction, message: None)
        self.base = probe.observe()
        began = time.perf_counter()
        self.scatters = scatter(probe, self.base, seed)
        self.with_gradients = (time.perf_counter() - began) / 2
        self.noise = Noise(probe, self.base, seed)
        began = time.perf_counter()
        self.moved = probe.observe(leaves=probe.jittered(0.1, seed + 1), gradients=False)
        rms(self.moved[0])  # waits for a GPU
        self.plain = time.perf_counter() - began
        self.noise.floors = [max(f, s) for f, s in zip(self.noise.floors, self.scatters, strict=True)]
        self.comparison = Comparison(probe, self.noise, tolerance)
        self.estimate = 0.0

    def run(self, factors: Sequence[Factor], localise: bool) -> tuple[list[SymmetryTest], Culprit | None]:
        """Test the factors, all together first, and each alone if that does not pass."""
        each = [alone(f, self.probe.setting, self.seed, self.samples) for f in factors]
        joint = together(each) if len(each) > 1 else None
        failing = self._state_cost(each, joint, localise)
        random = tests_of_scatter(self.probe, self.base, self.scatters, self.notes)
        if random:
            return random, find_culprit(self.probe, self.noise, None, self.seed) if localise else None
        products: list[SymmetryTest] = []
        if joint is not None:
            products = self._try([joint], enough=1)
            if all(f.verdict is Verdict.PASS and f.ratio <= CLEAR_RATIO for f in products):
                self._doubt_constants(products)
                return products, None
            # a product that fails ends their series at once
            fails = any(f.verdict is Verdict.FAIL for f in products)
            self.estimate = failing if fails else self.estimate + failing
            each = self._shortened(each, joint, products)
        tests = self._try(each, enough=GRADIENT_SAMPLES)
        if all(f.verdict is Verdict.PASS for f in tests):
            # a product may fail though none of its parts does
            tests += [f for f in products if f.verdict is not Verdict.PASS]
        self._doubt_constants(tests)
        return tests, self._culprit(tests, factors) if localise else None

    def _shortened(self, each: list[Series], joint: Products, products: list[SymmetryTest]) -> list[Series]:
        """Where a product fails, its own parts tell which factor is to blame, and few more elements by how much."""
        failing = [f for f in products if f.verdict is Verdict.FAIL]
        if not failing:
            return each
        parts = joint.parts(failing[0].number)
        return [s.starting_with(parts.get(s.name), GRADIENT_SAMPLES) for s in each]

    def _try(self, each: Sequence[Series], enough: int) -> list[SymmetryTest]:
        tests: list[SymmetryTest] = []
        total, done = sum(len(s) for s in each), 0
        for series in each:

            def progress(tried: int, name: str = series.name, done: int = done) -> None:
                self.progress((done + tried) / total, name)

            tests += self.comparison.judge(series, enough, progress)
            done += len(series)
        return tests

    def _culprit(self, tests: Sequence[SymmetryTest], factors: Sequence[Factor]) -> Culprit | None:
        by_name = {f.name: f for f in factors}
        for test in tests:
            broken = test.verdict is not Verdict.PASS and not test.ratio <= PASS_RATIO
            if broken and test.element is not None and test.factor in by_name:
                self.progress(1.0, "looking for the module that breaks it")
                return find_culprit(self.probe, self.noise, (by_name[test.factor], test.element), self.seed)
        return None

    def _state_cost(self, each: Sequence[Series], joint: Series | None, localise: bool) -> float:
        """Say what the check will take if it passes; return what it takes to find out where it fails."""
        count = len(joint) if joint is not None else sum(len(s) for s in each)
        spent = time.perf_counter() - self.started
        self.estimate = spent + sum(self._seconds(len(s)) for s in (each if joint is None else [joint]))
        wide = self.noise.seconds if self.noise.other is not None else self.plain
        failing = spent + sum(self._seconds(min(len(s), GRADIENT_SAMPLES)) for s in each)
        failing += localise * TRACED * (2 * FRAMES * wide + 2 * self.plain)
        self.progress(
            0.0,
            f"about {duration(self.estimate)} ({count} elements, {1e3 * self.plain:.2g} ms each); "
            f"{duration(failing)} if it fails, to find out what breaks",
        )
        return failing

    def _seconds(self, count: int) -> float:
        differentiated, floors = min(count, GRADIENT_SAMPLES), min(count, FLOOR_SAMPLES + 1)
        plain = (count - differentiated) * self.plain
        return plain + differentiated * self.with_gradients + floors * self.noise.seconds

    def _doubt_constants(self, tests: list[SymmetryTest]) -> None:
        """A model whose outputs ignore the input passes every test and proves nothing."""
        constant = constant_outputs(self.base, self.moved, self.noise.floors)
        for i, still in enumerate(constant):
            if still:
                name = self.probe.quantities[i].name
                self.notes.append(f"{name} does not depend on the inputs: its pass proves nothing")
        if all(constant):
            for test in tests:
                if test.verdict is Verdict.PASS:
                    test.verdict, test.confidence = Verdict.UNDECIDED, 0.5
                    test.note = "output is constant"
