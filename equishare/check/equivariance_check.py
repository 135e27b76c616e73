"""The check of any model: f(g x) against g f(x), judged by the model's own noise."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from equishare.check.element import Element
from equishare.check.localise import Culprit, find_culprit
from equishare.check.noise import Noise, rms
from equishare.check.precision import Model, argument_names, dtype_of, isolated_rng, module_of, private_copy
from equishare.check.probe import Probe
from equishare.check.report import EquivarianceReport, Finding
from equishare.check.symmetry import Factor, Symmetry, setting_of
from equishare.check.tree import Leaves, flatten
from equishare.check.verdict import PASS_RATIO, Verdict, confidence, judge

Progress = Callable[[float, str], None]

GRADIENT_SAMPLES = 8
FLOOR_SAMPLES = 2
REORDERING = 1e3
"""Runs on one input may differ by this many epsilons, as atomic additions do; what differs more is random."""


def equivariance(
    model: Model,
    inputs: Any,
    symmetry: Symmetry,
    *,
    samples: int | None = None,
    seed: int = 0,
    tolerance: float = 0.0,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
    gradients: bool = True,
    localise: bool = True,
    progress: Progress | None = None,
) -> EquivarianceReport:
    r"""Check a model's claim f(g x) = g f(x) and, where it fails, find the module that breaks it.

    For every factor of the symmetry, elements g are drawn and the relative error |f(g x) - g f(x)| / |f(x)|
    (root mean squares) is compared with the noise floor: the rounding error of the model on the same
    inputs, |f32 - f64| for a model that can be cast, else the scatter under Monte Carlo arithmetic.
    Gradients are tested as one more output. The model, its mode, its inputs and torch's random state stay
    as they were.

    Args:
        model: any callable or `nn.Module`.
        inputs: one valid input; a tuple is several positional arguments. Of four atoms or more, where atoms
            count.
        symmetry: what is claimed, for instance `molecule(...)`, `image("C4")`.
        samples: elements per factor; by default 24 rotations and translations, 48 permutations, all of a
            small group.
        seed: of everything that is drawn; the same seed draws the same elements.
        tolerance: relative error that passes whatever the floor.
        dtype: cast a copy of the model and the inputs first.
        device: move a copy of the model and the inputs there first.
        gradients: test gradients too.
        localise: name the first module that breaks a symmetry that fails.
        progress: called with the fraction done and what is being done; first of all with the expected cost.

    Raises:
        ValueError: inputs or outputs do not fit the symmetry's types, or nothing of it applies to them.

    Example:
        >>> from equishare.check import point_cloud
        >>> distances = lambda r: torch.cdist(r, r).sum()
        >>> r = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
        >>> equivariance(distances, (r,), point_cloud()).passed
        True
        >>> report = equivariance(lambda r: r[:, 0].abs().sum(), (r,), point_cloud())
        >>> report.passed, [f.factor for f in report.findings if f.verdict == "pass" and not f.gradient]
        (False, ['permutation'])
    """
    started = time.perf_counter()
    with isolated_rng():
        torch.manual_seed(seed)
        probe = _prepare(
            model, inputs, symmetry, dtype, torch.device(device) if device is not None else None, gradients
        )
        notes = probe.discover(symmetry, seed)
        applicable = [f for f in symmetry.factors if f.applies(probe.setting)]
        if not applicable:
            raise ValueError(f"nothing of the symmetry {symmetry.name!r} acts on inputs typed {_typing(probe)}")
        skipped = [f.name for f in symmetry.factors if f not in applicable]
        if skipped:
            notes.append("not applicable to these inputs: " + ", ".join(skipped))
        check = _Check(probe, samples, seed, tolerance, localise, progress, notes)
        findings, culprit = check.run(applicable)
    return EquivarianceReport(
        model=type(module_of(model) or model).__name__
        if module_of(model) is not None
        else getattr(model, "__name__", str(model)),
        symmetry=symmetry.name,
        dtype=str(probe.dtype).removeprefix("torch."),
        device=str(next((leaf.device for _, leaf in probe.inputs), "cpu")),
        seed=seed,
        inputs=_typing(probe),
        findings=findings,
        breaks=culprit,
        floor_method=check.noise.method,
        notes=notes,
        estimated_seconds=check.estimate,
        seconds=time.perf_counter() - started,
    )


def _prepare(
    model: Model,
    inputs: Any,
    symmetry: Symmetry,
    dtype: torch.dtype | None,
    device: torch.device | None,
    gradients: bool,
) -> Probe:
    """Copy the model, flatten and type the inputs."""
    leaves, rebuild = flatten(inputs)
    if not leaves:
        raise ValueError(f"the inputs hold no tensor, got {type(inputs).__name__}; give one valid input of the model")
    dtype = dtype or dtype_of([leaf for _, leaf in leaves], model)
    try:
        model = private_copy(model, dtype, device)
    except Exception:
        if device is not None:
            raise
    positional = isinstance(inputs, tuple) and not hasattr(inputs, "_fields")
    placed: Leaves = [
        (path, leaf.detach().to(device=device, dtype=dtype if leaf.is_floating_point() else None))
        for path, leaf in leaves
    ]
    arguments = argument_names(model, len(inputs) if positional else 1)
    paths = [path.split(".") for path, _ in leaves]
    names = [
        ".".join([arguments[int(path[0])], *path[1:]]) if positional else ".".join(path) or arguments[0]
        for path in paths
    ]
    types = symmetry.bind_inputs(placed, names)
    setting = setting_of(placed, names, types)
    return Probe(model, placed, names, types, rebuild, positional, setting, dtype, gradients)


def _typing(probe: Probe) -> dict[str, str]:
    return {name or "input": t.describe() for name, t in zip(probe.names, probe.types, strict=True)}


@dataclass
class _Worst:
    """The largest error of one quantity under one factor."""

    error: float = -1.0
    number: int = 0
    element: Element | None = None
    observed: list[Tensor] = field(default_factory=list)
    systematic: float = 0.0


class _Check:
    """One run of the check: the base values, the noise, and the loop over factors."""

    def __init__(
        self,
        probe: Probe,
        samples: int | None,
        seed: int,
        tolerance: float,
        localise: bool,
        progress: Progress | None,
        notes: list[str],
    ) -> None:
        self.probe, self.samples, self.seed, self.tolerance = probe, samples, seed, tolerance
        self.localise, self.progress, self.notes = (
            localise,
            progress or (lambda fraction, message: None),
            notes,
        )
        self.base = probe.observe()
        self.scales = [max(rms(b), 1e-300) for b in self.base]
        self.unstable = self._repeatability()
        self.noise = Noise(probe, self.base, seed)
        self.noise.floors = [max(f, s) for f, s in zip(self.noise.floors, self.unstable, strict=True)]
        self.estimate = 0.0

    def run(self, factors: list[Factor]) -> tuple[list[Finding], Culprit | None]:
        counts = {f.name: self._count(f) for f in factors}
        total = sum(counts.values())
        self.estimate, each = self._cost(factors, counts)
        self.progress(0.0, f"about {self.estimate:.0f} s: {total} elements, {1e3 * each:.0f} ms each")
        randomness = self._random_rows()
        if randomness:
            return randomness, find_culprit(self.probe, self.noise, None, self.seed) if self.localise else None
        findings: list[Finding] = []
        done = 0
        for factor in factors:
            self.progress(done / total, factor.name)
            findings += self._factor(factor, counts[factor.name])
            done += counts[factor.name]
        self._vacuous(findings)
        culprit = None
        failing = next((f for f in findings if not f.ratio <= PASS_RATIO and f.verdict is not Verdict.PASS), None)
        if self.localise and failing is not None and failing.element is not None:
            self.progress(1.0, "looking for the module that breaks it")
            factor = next(f for f in factors if f.name == failing.factor)
            culprit = find_culprit(self.probe, self.noise, (factor, failing.element), self.seed)
        return findings, culprit

    def _count(self, factor: Factor) -> int:
        return factor.size or self.samples or factor.samples

    def _factor(self, factor: Factor, count: int) -> list[Finding]:
        """Try `count` elements of one factor and judge every quantity."""
        quantities = self.probe.quantities
        worst = [_Worst() for _ in quantities]
        systematic = [0.0] * len(quantities)

        def measure(g: Element, observed: list[Tensor]) -> None:
            systematic[:] = [max(pair) for pair in zip(systematic, self.noise.measure(g, observed), strict=True)]

        for number in range(count):
            g = factor.element(self.seed, self.probe.setting, number)
            observed = self.probe.observe(g, gradients=number < GRADIENT_SAMPLES)
            for i, value in enumerate(observed):
                error = self._error(i, value, g)
                if not error <= worst[i].error:
                    worst[i] = _Worst(error, number, g, observed)
            if number < FLOOR_SAMPLES:
                measure(g, observed)
        for i, w in enumerate(worst):
            # where an error leaves the floor, the floor is measured on the very input that the error was
            if w.error > 2 * self.noise.floors[i] and w.element is not None:
                measure(w.element, w.observed)
            w.systematic = systematic[i]
        return [self._judge(i, factor, worst[i], count) for i in range(len(quantities))]

    def _error(self, i: int, value: Tensor, g: Element) -> float:
        expected = self.probe.quantities[i].expected(self.base[i], g)
        if expected.shape != value.shape:
            return float("inf")
        return rms(value.to(torch.float64) - expected)

    def _judge(self, i: int, factor: Factor, worst: _Worst, count: int) -> Finding:
        quantity, floor = self.probe.quantities[i], self.noise.floors[i]
        ratio = worst.error / floor if floor > 0 else (0.0 if worst.error == 0 else float("inf"))
        # what is left in float64 is no noise, even where float32's noise happens to be as large
        ratio = max(ratio, worst.systematic / max(self.noise.typical(i), 1e-300))
        relative = worst.error / self.scales[i]
        verdict = judge(ratio, relative <= self.tolerance)
        note = ""
        if relative != relative or not torch.isfinite(self.base[i]).all():
            verdict, note = Verdict.FAIL, "NaN or infinity"
        elif verdict is Verdict.FAIL and self.noise.single_precision_inside(i, worst.error):
            verdict, note = (
                Verdict.UNDECIDED,
                "single precision inside: a cast, or constants stored in float32",
            )
        tried = min(count, GRADIENT_SAMPLES) if quantity.gradient else count
        return Finding(
            factor=factor.name,
            quantity=quantity.name,
            transform=quantity.transform.describe(),
            gradient=quantity.gradient,
            verdict=verdict,
            error=relative,
            noise_floor=floor / self.scales[i],
            ratio=ratio,
            confidence=confidence(verdict, ratio, tried, factor.size == count and tried == count, self.noise.runs),
            samples=tried,
            number=worst.number,
            element=worst.element,
            note=note or self._hint(i, factor, worst, verdict),
        )

    def _hint(self, i: int, factor: Factor, worst: _Worst, verdict: Verdict) -> str:
        """Where only improper elements fail, look whether the output has the other parity."""
        if verdict is Verdict.PASS or factor.name != "reflection" or worst.element is None:
            return ""
        value = self.probe.observe(worst.element)[i].to(torch.float64)
        expected = self.probe.quantities[i].expected(self.base[i], worst.element)
        if value.shape == expected.shape and rms(value + expected) <= 10 * self.noise.floors[i]:
            return "transforms with the opposite parity"
        return ""

    def _cost(self, factors: list[Factor], counts: dict[str, int]) -> tuple[float, float]:
        """Return the expected seconds of the whole check and of one element, from a run of each kind."""
        g = factors[0].element(self.seed, self.probe.setting)
        seconds = []
        for gradients in (False, True):
            started = time.perf_counter()
            self.probe.observe(g, gradients=gradients)
            seconds.append(time.perf_counter() - started)
        with_gradients = sum(min(n, GRADIENT_SAMPLES) for n in counts.values())
        floors = (FLOOR_SAMPLES + 1) * self.noise.cost * len(factors)
        plain = sum(counts.values()) - with_gradients
        return plain * seconds[0] + (with_gradients + floors) * seconds[1], seconds[0]

    def _repeatability(self) -> list[float]:
        """Evaluate x again, after another input: a model with memory or dropout gives another answer."""
        self.probe.observe(leaves=self.probe.jittered(0.01, self.seed))
        return [
            rms(first.to(torch.float64) - second.to(torch.float64)) if first.shape == second.shape else float("inf")
            for first, second in zip(self.base, self.probe.observe(), strict=True)
        ]

    def _random_rows(self) -> list[Finding]:
        """Rows for the quantities that differ from run to run by more than re-ordered sums can."""
        rows = []
        bound = REORDERING * torch.finfo(self.probe.dtype).eps
        for quantity, first, scatter, scale in zip(
            self.probe.quantities, self.base, self.unstable, self.scales, strict=True
        ):
            if scatter <= bound * scale:
                if scatter > 0:
                    self.notes.append(f"{quantity.name} differs from run to run, by rounding only (atomic additions?)")
                continue
            finite = bool(torch.isfinite(first).all())
            rows.append(
                Finding(
                    factor="repetition",
                    quantity=quantity.name,
                    transform=quantity.transform.describe(),
                    gradient=quantity.gradient,
                    verdict=Verdict.FAIL,
                    error=scatter / scale,
                    noise_floor=bound,
                    ratio=scatter / scale / bound,
                    confidence=1.0,
                    samples=2,
                    note="not deterministic: f(x) differs from f(x)" if finite else "NaN or infinity",
                )
            )
        return rows

    def _vacuous(self, findings: list[Finding]) -> None:
        """A model whose outputs ignore the input passes every test and proves nothing."""
        moved = self.probe.observe(leaves=self.probe.jittered(0.1, self.seed + 1), gradients=False)
        constant = [
            rms(a.to(torch.float64) - b.to(torch.float64)) <= self.noise.floors[i] if a.shape == b.shape else False
            for i, (a, b) in enumerate(zip(self.base, moved, strict=False))
        ]
        for i, still in enumerate(constant):
            if still:
                self.notes.append(
                    f"{self.probe.quantities[i].name} does not depend on the inputs: its pass proves nothing"
                )
        if all(constant):
            for finding in findings:
                if finding.verdict is Verdict.PASS:
                    finding.verdict, finding.confidence, finding.note = (
                        Verdict.UNDECIDED,
                        0.5,
                        "output is constant",
                    )
