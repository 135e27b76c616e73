"""What a check of a calculator found."""

import math
import traceback
from dataclasses import dataclass, field
from typing import Any, ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from equishare.check.reports.curves import Curve, figure
from equishare.check.reports.report_base import COLOURS, Report, Row, finite
from equishare.check.reports.source import Source
from equishare.check.reports.template import fragment
from equishare.check.reports.verdict import Verdict, judge
from equishare.narrow import FittingTable


@dataclass
class PhysicsTest:
    """One law, one quantity.

    Attributes:
        name: the law, such as "rotation".
        quantity: "energy", "forces", "stress", ...
        verdict: pass, fail or undecided.
        error: largest violation, in `unit`.
        floor: the calculator's noise in the same unit, or the uncertainty of the reference.
        tolerance: violations below it are too small to matter and pass.
        unit: of error, floor and tolerance.
        note: what else there is to say.
        curve: numbers for a plot.
    """

    name: str
    quantity: str
    verdict: Verdict
    error: float = 0.0
    floor: float = 0.0
    tolerance: float = 0.0
    unit: str = ""
    note: str = ""
    curve: Curve | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        values = dict(vars(self), verdict=self.verdict.value)
        if self.curve is not None:
            series = {k: v.tolist() for k, v in self.curve.series.items()}
            values["curve"] = dict(vars(self.curve), x=self.curve.x.tolist(), series=series)
        return finite(values)


@dataclass(repr=False)
class CalculatorReport(Report):
    """The result of `calculator`.

    Attributes:
        calculator: name of its class.
        structure: formula, with the periodic directions.
        precision: "float32" or "float64", as its numbers tell.
        noise: its scatter on one structure: energy (eV), forces (eV/Å), stress (eV/Å^3).
        tests: one row for each law and quantity.
        seed: reproduces every drawn transformation.
        evaluations: how often the calculator was called.
        seconds: what that took.
        notes: what was left out, and why.
        source: where the calculator is written.
    """

    calculator: str
    structure: str
    precision: str
    noise: dict[str, float]
    tests: list[PhysicsTest]
    seed: int = 0
    evaluations: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    source: Source | None = None
    subject: ClassVar[str] = "physics"

    @property
    def failures(self) -> list[PhysicsTest]:
        """The tests that fail."""
        return [t for t in self.tests if t.verdict is Verdict.FAIL]

    def rows(self) -> list[Row]:
        """Return the tests."""
        return [
            Row(
                t.name,
                f"{t.name}, {t.quantity}",
                t.verdict,
                f"error {t.error:.1e} {t.unit}, noise {t.floor:.1e}, tolerance {t.tolerance:.0e}"
                + (f"; {t.note}" if t.note else ""),
            )
            for t in self.tests
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values; infinities and NaN become None."""
        tests = [t.to_dict() for t in self.tests]
        return {
            "verdict": self.verdict.value,
            **finite({k: v for k, v in vars(self).items() if k not in ("tests", "source")}),
            "source": vars(self.source) if self.source is not None else None,
            "tests": tests,
        }

    def to_html_fragment(self) -> str:
        """Return the report as HTML, plots as SVG inside, without a page around it."""
        figures = [figure(test.curve) for test in self.tests if test.curve is not None]
        return fragment("calculator.html.jinja", self, figures=figures)

    @property
    def title(self) -> str:
        """What was checked."""
        return f"{self.calculator}: {self.structure}"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text.assemble(
            (self.verdict.value.upper(), COLOURS[self.verdict]),
            f"  {self.calculator} · {self.structure} · {self.precision}",
        )
        table = FittingTable(collapse_padding=False)
        for column in ("law", "quantity", "error", "noise", "tolerance", "unit", "verdict"):
            number = column in ("error", "noise", "tolerance")
            table.add_column(column, justify="right" if number else "left", no_wrap=number, overflow="fold")
        for t in self.tests:
            numbers = (f"{t.error:.1e}", f"{t.floor:.1e}", f"{t.tolerance:.0e}")
            table.add_row(t.name, t.quantity, *numbers, t.unit, Text(t.verdict.value, COLOURS[t.verdict]))
        yield table
        for t in self.tests:
            if t.note:
                yield f"{t.name}, {t.quantity}: {t.note}"
        for note in self.notes:
            yield f"note: {note}"
        yield f"{self.evaluations} evaluations in {self.seconds:.1f} s; seed {self.seed}"


def judged(
    name: str,
    quantity: str,
    error: float,
    floor: float,
    tolerance: float,
    unit: str,
    note: str = "",
) -> PhysicsTest:
    """Judge a violation: up to 3 noise floors, or below the tolerance, passes; above both, 10 floors fail."""
    ratio = error / floor if floor > 0 else (0.0 if error == 0 else float("inf"))
    verdict = judge(ratio, error <= tolerance)
    if not note and math.isnan(error):
        note = "NaN or infinity"
    if not note and verdict is Verdict.PASS and ratio > 10:
        note = f"{ratio:.0f} times the noise, too small to matter"
    return PhysicsTest(name, quantity, verdict, error, floor, tolerance, unit, note)


def could_not_run(name: str, error: BaseException) -> PhysicsTest:
    """Say that a calculator refused a test."""
    first_line = (str(error).strip().splitlines() or [""])[0]
    if not first_line and error.__traceback__ is not None:
        place = traceback.extract_tb(error.__traceback__)[-1]
        first_line = f"no message, in {place.filename}, line {place.lineno}: {place.line}"
    return PhysicsTest(name, "-", Verdict.UNDECIDED, note=f"could not run: {type(error).__name__}: {first_line}")
