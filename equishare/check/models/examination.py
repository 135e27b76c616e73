"""One run of the check of a model: what is tried, in which order, and what it costs."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from equishare.check.models.comparison import FLOOR_SAMPLES, GRADIENT_SAMPLES, Comparison
from equishare.check.models.culprit.search import FRAMES, Culprit, find_culprit, find_memory
from equishare.check.models.noise import Noise
from equishare.check.models.options import Options
from equishare.check.models.other_inputs import jittered, very_different
from equishare.check.models.other_readings import as_another_output, with_another_input
from equishare.check.models.precision import Model, rms
from equishare.check.models.probe import Probe
from equishare.check.models.repetition import STALE, constant_outputs, scatter, tests_of_scatter
from equishare.check.models.symmetry.series import Products, Series, alone, together
from equishare.check.models.symmetry.symmetry import Factor
from equishare.check.reports.report_base import duration
from equishare.check.reports.symmetry_report import SymmetryTest
from equishare.check.reports.verdict import PASS_RATIO, Verdict
from equishare.clock import Clock

CLEAR_RATIO = 2.0
"""Rounding alone cannot exceed this ratio (see `verdict.PASS_RATIO`); products that do are looked into."""
TRACED = 2.0
"""A call whose modules are recorded and compared takes about so many times the plain one."""
FEWEST = 3
"""Elements that are tried however little time there is."""


class Examination:
    """The values at the identity, the noise, the series of elements, the search for the culprit.

    Args:
        probe: the model and its inputs.
        fresh: makes a copy of the model that has evaluated nothing yet, or None.
        options: of the check.
        notes: remarks for the report are added here.
    """

    def __init__(self, probe: Probe, fresh: Callable[[], Model] | None, options: Options, notes: list[str]) -> None:
        self.clock = Clock()
        self.probe, self.options, self.notes, self.seed = probe, options, notes, options.seed
        self.fresh, self.base = fresh, probe.observe()
        clock = Clock()
        probe.observe()
        self.with_gradients = clock.seconds
        self.scatters = scatter(probe, self.base, fresh, self.seed)
        self.noise = Noise(probe, self.base, self.seed, draws=self.scatters.draws)
        self.notes += self.noise.notes
        clock = Clock()
        self.moved = probe.observe(leaves=jittered(probe, 0.1, self.seed + 1), gradients=False)
        rms(self.moved[0])  # waits for a GPU
        self.plain = clock.seconds
        self.noise.floors = [max(f, s) for f, s in zip(self.noise.floors, self.scatters.largest, strict=True)]
        self.comparison = Comparison(probe, self.noise, options.tolerance)
        self.estimate = 0.0

    def run(self, factors: Sequence[Factor]) -> tuple[list[SymmetryTest], Culprit | None]:
        """Test the factors, all together first, and each alone if that does not pass."""
        each = [self._affordable(alone(f, self.probe.setting, self.seed, self.options.samples)) for f in factors]
        joint = self._affordable(together(each)) if len(each) > 1 else None
        failing = self._state_cost(each, joint)
        random = tests_of_scatter(self.probe, self.base, self.scatters, self.notes)
        if random:
            return random, self._memory(random) if self.options.localise else None
        products: list[SymmetryTest] = []
        if isinstance(joint, Products):
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
        self._try_other_readings(tests, joint or each[0])
        return tests, self._culprit(tests, factors) if self.options.localise else None

    def _memory(self, random: Sequence[SymmetryTest]) -> Culprit | None:
        """Find the module that gives two answers to one question."""
        stale = all(test.note == STALE for test in random)
        fresh = self.probe.at(self.fresh(), self.probe.dtype) if stale and self.fresh is not None else None
        between = [jittered(self.probe, 0.01, self.seed), *very_different(self.probe, self.seed)]
        return find_memory(self.probe, fresh, between, self.seed)

    def _affordable(self, series: Series) -> Series:
        """Leave out elements that would take longer than the time that was given."""
        left, count = self.clock.left(self.options.seconds), len(series)
        while count > FEWEST and self._seconds(count) > left:
            count -= 1
        return series.first(count)

    def _shortened(self, each: list[Series], joint: Products, products: list[SymmetryTest]) -> list[Series]:
        """Where a product fails, its own parts tell which factor is to blame, and few more elements by how much."""
        failing = [f for f in products if f.verdict is Verdict.FAIL]
        if not failing:
            return each
        parts = joint.parts(failing[0].number)
        return [s.starting_with(parts.get(s.name), min(GRADIENT_SAMPLES, len(s))) for s in each]

    def _try(self, each: Sequence[Series], enough: int) -> list[SymmetryTest]:
        tests: list[SymmetryTest] = []
        total, done = sum(len(s) for s in each), 0
        for series in each:

            def progress(tried: int, name: str = series.name, done: int = done) -> None:
                self.options.progress((done + tried) / total, name)

            tests += self.comparison.judge(series, enough, progress)
            done += len(series)
        return tests

    def _try_other_readings(self, tests: Sequence[SymmetryTest], series: Series) -> None:
        """Where an output fails under types that were guessed, say under which others it would pass."""
        failing = [t for t in tests if t.verdict is Verdict.FAIL and not t.gradient]
        found = {t.quantity: as_another_output(self.probe, self.noise, t.quantity, series) for t in failing}
        if failing and not any(found.values()) and any(self.probe.guessed):
            found = dict.fromkeys(found, with_another_input(self.probe, self.noise, series))
        for test in failing:
            test.note = found[test.quantity] or test.note

    def _culprit(self, tests: Sequence[SymmetryTest], factors: Sequence[Factor]) -> Culprit | None:
        by_name = {f.name: f for f in factors}
        for test in tests:
            broken = test.verdict is not Verdict.PASS and not test.ratio <= PASS_RATIO
            if broken and test.element is not None and test.factor in by_name:
                self.options.progress(1.0, "looking for the module that breaks it")
                return find_culprit(self.probe, self.noise, (by_name[test.factor], test.element), self.seed)
        return None

    def _state_cost(self, each: Sequence[Series], joint: Series | None) -> float:
        """Say what the check will take if it passes; return what it takes to find out where it fails."""
        count = len(joint) if joint is not None else sum(len(s) for s in each)
        spent = self.clock.seconds
        self.estimate = spent + sum(self._seconds(len(s)) for s in (each if joint is None else [joint]))
        wide = self.noise.seconds if self.noise.other is not None else self.plain
        failing = spent + sum(self._seconds(min(len(s), GRADIENT_SAMPLES)) for s in each)
        failing += self.options.localise * TRACED * (2 * FRAMES * wide + 2 * self.plain)
        self.options.progress(
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
        if any(constant):
            # a coarse output may not feel a small step: one in bfloat16, a count
            for leaves in very_different(self.probe, self.seed):
                with suppress(Exception):  # the model may refuse another size
                    far = self.probe.observe(leaves=leaves, gradients=False)
                    there = constant_outputs(self.base, far, self.noise.floors)
                    constant = [a and b for a, b in zip(constant, there, strict=True)]
        for i, still in enumerate(constant):
            if still:
                name = self.probe.quantities[i].name
                self.notes.append(f"{name} does not depend on the inputs: its pass proves nothing")
        if all(constant):
            for test in tests:
                if test.verdict is Verdict.PASS:
                    test.verdict, test.confidence = Verdict.UNDECIDED, 0.5
                    test.note = "output is constant"
