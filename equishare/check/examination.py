"""One run of the check of a model: what is tried, in which order, and what it costs."""

import time
from collections.abc import Callable, Sequence

from equishare.check.comparison import FLOOR_SAMPLES, GRADIENT_SAMPLES, Comparison
from equishare.check.localise import FRAMES, Culprit, find_culprit
from equishare.check.noise import Noise
from equishare.check.probe import Probe
from equishare.check.repetition import constant_outputs, findings_of_scatter, scatter
from equishare.check.report import Finding
from equishare.check.series import Series, alone, together
from equishare.check.symmetry import Factor
from equishare.check.verdict import PASS_RATIO, Verdict

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
        self.plain = time.perf_counter() - began
        self.noise.floors = [max(f, s) for f, s in zip(self.noise.floors, self.scatters, strict=True)]
        self.comparison = Comparison(probe, self.noise, tolerance)
        self.estimate = 0.0

    def run(self, factors: Sequence[Factor], localise: bool) -> tuple[list[Finding], Culprit | None]:
        """Test the factors, all together first, and each alone if that does not pass."""
        setting = self.probe.setting
        each = [alone(f, setting, self.seed, self.samples) for f in factors]
        joint = together(factors, setting, self.seed, self.samples) if len(factors) > 1 else None
        more = self._state_cost(each, joint, localise)
        random = findings_of_scatter(self.probe, self.base, self.scatters, self.notes)
        if random:
            return random, find_culprit(self.probe, self.noise, None, self.seed) if localise else None
        findings: list[Finding] = []
        if joint is not None:
            findings = self._try(joint, enough=1, done=0, total=joint.count)
            if all(f.verdict is Verdict.PASS and f.ratio <= CLEAR_RATIO for f in findings):
                self._doubt_constants(findings)
                return findings, None
            self.estimate += more
        # a product that fails by itself alone stays in the report
        suspects = [f for f in findings if f.verdict is not Verdict.PASS]
        findings = self._one_by_one(each)
        if all(f.verdict is Verdict.PASS for f in findings):
            findings += suspects
        self._doubt_constants(findings)
        return findings, self._culprit(findings, factors) if localise else None

    def _one_by_one(self, each: Sequence[Series]) -> list[Finding]:
        findings: list[Finding] = []
        total, done = sum(s.count for s in each), 0
        for series in each:
            findings += self._try(series, GRADIENT_SAMPLES, done, total)
            done += series.count
        return findings

    def _try(self, series: Series, enough: int, done: int, total: int) -> list[Finding]:
        return self.comparison.judge(series, enough, lambda tried: self.progress((done + tried) / total, series.name))

    def _culprit(self, findings: Sequence[Finding], factors: Sequence[Factor]) -> Culprit | None:
        by_name = {f.name: f for f in factors}
        for finding in findings:
            broken = finding.verdict is not Verdict.PASS and not finding.ratio <= PASS_RATIO
            if broken and finding.element is not None and finding.factor in by_name:
                self.progress(1.0, "looking for the module that breaks it")
                return find_culprit(self.probe, self.noise, (by_name[finding.factor], finding.element), self.seed)
        return None

    def _state_cost(self, each: Sequence[Series], joint: Series | None, localise: bool) -> float:
        """Say what the check will take if it passes; return what more it takes to find out where it fails."""
        apart = sum(self._seconds(s) for s in each)
        wide = self.noise.seconds if self.noise.other is not None else self.plain
        search = localise * TRACED * (2 * FRAMES * wide + 2 * self.plain)
        spent = time.perf_counter() - self.started
        self.estimate = spent + (self._seconds(joint) if joint is not None else apart)
        more = search + (apart if joint is not None else 0.0)
        count = joint.count if joint is not None else sum(s.count for s in each)
        self.progress(
            0.0,
            f"about {self.estimate:.0f} s ({count} elements, {1e3 * self.plain:.0f} ms each), "
            f"and up to {more:.0f} s more to find out what breaks if it fails",
        )
        return more

    def _seconds(self, series: Series) -> float:
        differentiated = min(series.count, GRADIENT_SAMPLES)
        floors = min(series.count, FLOOR_SAMPLES) + 1
        return (
            (series.count - differentiated) * self.plain
            + differentiated * self.with_gradients
            + floors * self.noise.seconds
        )

    def _doubt_constants(self, findings: list[Finding]) -> None:
        """A model whose outputs ignore the input passes every test and proves nothing."""
        constant = constant_outputs(self.base, self.moved, self.noise.floors)
        for i, still in enumerate(constant):
            if still:
                name = self.probe.quantities[i].name
                self.notes.append(f"{name} does not depend on the inputs: its pass proves nothing")
        if all(constant):
            for finding in findings:
                if finding.verdict is Verdict.PASS:
                    finding.verdict, finding.confidence = Verdict.UNDECIDED, 0.5
                    finding.note = "output is constant"
