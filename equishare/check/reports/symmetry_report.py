"""What a check of equivariance found: for people, for programs, for browsers."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from equishare.check.models.culprit.search import Culprit
from equishare.check.models.symmetry.element import Element
from equishare.check.reports.report_base import COLOURS, Report, Row, finite
from equishare.check.reports.source import Source
from equishare.check.reports.template import fragment
from equishare.check.reports.verdict import Verdict
from equishare.narrow import FittingTable

TOGETHER = "all together"
"""Instead of a factor's name: products of one element of each factor."""
WIDE = 100
"""Columns of a terminal that has room for the types of outputs."""


@dataclass
class SymmetryTest:
    """One quantity under one factor of the symmetry.

    Attributes:
        factor: the subgroup, such as "rotation".
        quantity: the output, or the gradient, that was compared.
        transform: the type that it was held to.
        gradient: whether it is a gradient.
        verdict: pass, fail or undecided.
        error: largest relative error ``|f(g x) - g f(x)| / |f(x)|`` (root mean squares).
        noise_floor: relative rounding noise on the same inputs.
        ratio: error over noise floor.
        confidence: see `verdict.confidence`.
        samples: elements tried.
        number: which element of the series was the worst.
        element: that element.
        note: what else there is to say.
    """

    factor: str
    quantity: str
    transform: str
    gradient: bool
    verdict: Verdict
    error: float
    noise_floor: float
    ratio: float
    confidence: float
    samples: int
    number: int = 0
    element: Element | None = None
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; infinities and NaN become None."""
        values = {k: v for k, v in vars(self).items() if k != "element"}
        worst = self.element.describe() if self.element is not None else None
        return finite(dict(values, verdict=self.verdict.value, worst_element=worst))


@dataclass(repr=False)
class EquivarianceReport(Report):
    """The result of `equivariance`.

    Attributes:
        model: name of the model's class or function.
        symmetry: what was claimed.
        factors: the parts of it that were tested.
        dtype: the precision it was checked in.
        device: where it ran.
        seed: reproduces every drawn element.
        inputs: name and type of every input, as declared or inferred.
        tests: one row for each quantity and factor.
        breaks: where the break begins, with residuals; None if nothing fails, or no module could be blamed.
        floor_method: how the noise floor was measured.
        notes: what was not tested, and other remarks.
        estimated_seconds: the cost stated before the start.
        seconds: what it took.
        source: where the model is written.
    """

    model: str
    symmetry: str
    factors: list[str]
    dtype: str
    device: str
    seed: int
    inputs: dict[str, str]
    tests: list[SymmetryTest]
    breaks: Culprit | None
    floor_method: str
    notes: list[str] = field(default_factory=list)
    estimated_seconds: float = 0.0
    seconds: float = 0.0
    source: Source | None = None
    subject: ClassVar[str] = "equivariance"

    @property
    def worst(self) -> SymmetryTest:
        """The row with the gravest verdict, and among those the largest error in units of noise."""
        gravity = {Verdict.PASS: 0, Verdict.UNDECIDED: 1, Verdict.FAIL: 2}
        return max(self.tests, key=lambda f: (gravity[f.verdict], f.ratio if f.ratio == f.ratio else math.inf))

    @property
    def error(self) -> float:
        """Relative error of the worst row."""
        return self.worst.error

    @property
    def noise_floor(self) -> float:
        """Relative noise floor of the worst row."""
        return self.worst.noise_floor

    @property
    def culprit(self) -> str | None:
        """Dotted path of the first module that breaks the symmetry, or None."""
        return self.breaks.path if self.breaks is not None else None

    def rows(self) -> list[Row]:
        """Return the tests, with the code of the culprit."""
        place = self.breaks.source if self.breaks is not None else None
        blamed = f"; breaks at {self.breaks.path}: {self.breaks.reason}" if self.breaks is not None else ""
        return [
            Row(
                t.factor,
                f"{t.factor} of {t.quantity}",
                t.verdict,
                f"relative error {t.error:.1e}, noise floor {t.noise_floor:.1e}"
                + (f"; {t.note}" if t.note else "")
                + (blamed if t.verdict is not Verdict.PASS else ""),
                place,
            )
            for t in self.tests
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        breaks = None
        if self.breaks is not None:
            breaks = dict(vars(self.breaks), modules=[list(m) for m in self.breaks.modules])
            breaks["source"] = vars(self.breaks.source) if self.breaks.source is not None else None
        return {
            "verdict": self.verdict.value,
            "error": finite(self.error),
            "noise_floor": finite(self.noise_floor),
            "culprit": self.culprit,
            "tests": [f.to_dict() for f in self.tests],
            "breaks": finite(breaks),
            **{k: v for k, v in vars(self).items() if k not in ("tests", "breaks", "source")},
            "source": vars(self.source) if self.source is not None else None,
        }

    def to_html_fragment(self) -> str:
        """Return the report as HTML without a page around it."""
        return fragment("equivariance.html.jinja", self)

    @property
    def title(self) -> str:
        """What was checked."""
        return f"{self.model}: {self.symmetry}"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text.assemble(
            (self.verdict.value.upper(), COLOURS[self.verdict]),
            f"  {self.model} · {self.symmetry} · {self.dtype} on {self.device}",
        )
        narrow = console.width < WIDE
        columns = ["symmetry", "quantity", *([] if narrow else ["type"]), "error", "floor", "ratio", "verdict", "sure"]
        table = FittingTable(collapse_padding=False)
        for column in columns:
            number = column in ("error", "floor", "ratio", "sure")
            table.add_column(
                column, justify="right" if number else "left", no_wrap=number or column == "verdict", overflow="fold"
            )
        for f in self.tests:
            kind = [] if narrow else [f.transform]
            numbers = (f"{f.error:.1e}", f"{f.noise_floor:.1e}", f"{f.ratio:.2g}")
            verdict = Text(f.verdict.value, COLOURS[f.verdict])
            table.add_row(f.factor, f.quantity, *kind, *numbers, verdict, f"{100 * f.confidence:.0f} %")
        yield table
        for note in dict.fromkeys(f.note for f in self.tests if f.note):
            rows = [f"{f.factor} of {f.quantity}" for f in self.tests if f.note == note]
            yield f"{', '.join(rows)}: {note}"
        if any(f.factor == TOGETHER for f in self.tests):
            yield f"{TOGETHER}: products of " + ", ".join(self.factors)
        worst = self.worst
        if worst.verdict is not Verdict.PASS and worst.element is not None:
            place = f"seed {self.seed}, element {worst.number} of {worst.factor}"
            yield f"worst: {worst.element.describe()} ({place})"
        if self.breaks is not None:
            b = self.breaks
            yield Text.assemble("breaks at ", (b.path, "bold"), f" ({b.kind}): {b.reason}")
            yield f"  residual {b.residual:.1e}, noise {b.noise_floor:.1e}"
        if self.inputs:
            yield "inputs: " + ", ".join(f"{name} = {kind}" for name, kind in self.inputs.items())
        for note in self.notes:
            yield f"note: {note}"
        took = f"{self.seconds:.1f} s (estimated {self.estimated_seconds:.1f} s)"
        yield f"noise floor: {self.floor_method}; {took}"
