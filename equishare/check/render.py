"""Reports as text and as self-contained HTML."""

import io
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader
from rich.console import Console

from equishare.check.curves import figure
from equishare.check.verdict import Verdict

if TYPE_CHECKING:
    from equishare.check.calculator_report import CalculatorReport
    from equishare.check.report import EquivarianceReport

COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.UNDECIDED: "yellow"}


def save(path: str | Path, text: str) -> None:
    """Write a file beside its place, then rename it there."""
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def finite(value: Any) -> Any:
    """Replace infinities and NaN, which JSON does not have, by None, all through a nest.

    Example:
        >>> finite({"a": float("inf"), "b": (1.0,)})
        {'a': None, 'b': [1.0]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    return [finite(v) for v in value] if isinstance(value, (list, tuple)) else value


def text_of(report: Any) -> str:
    """Return what a terminal would show, without colour."""
    console = Console(file=io.StringIO(), width=140, color_system=None)
    console.print(report, highlight=False)
    return console.file.getvalue().rstrip()  # type: ignore[attr-defined]


def _environment() -> Environment:
    return Environment(loader=PackageLoader("equishare.check", "templates"), autoescape=True, trim_blocks=True)


def page(title: str, fragment: str) -> str:
    """Put a fragment into a page that needs nothing else."""
    return _environment().get_template("page.html.jinja").render(title=title, fragment=fragment)


def equivariance_fragment(report: "EquivarianceReport") -> str:
    """Render a report of `equivariance`."""
    return _environment().get_template("equivariance.html.jinja").render(report=report)


def calculator_fragment(report: "CalculatorReport") -> str:
    """Render a report of `calculator`, with its curves as SVG."""
    figures = [figure(test.curve) for test in report.tests if test.curve is not None]
    return _environment().get_template("calculator.html.jinja").render(report=report, figures=figures)
