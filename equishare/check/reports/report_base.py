"""What all reports have in common: text, JSON, self-contained HTML, and what continuous integration reads."""

import io
import json
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rich.console import Console, ConsoleOptions, RenderResult

from equishare.check.reports.badge import badge
from equishare.check.reports.junit import junit
from equishare.check.reports.sarif import sarif
from equishare.check.reports.source import Source
from equishare.check.reports.template import fragment
from equishare.check.reports.verdict import Verdict
from equishare.files import write_text

COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.UNDECIDED: "yellow"}


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


def duration(seconds: float) -> str:
    """Write an estimate, which has two digits at most.

    Example:
        >>> duration(0.2), duration(7.346), duration(400)
        ('1 s', '7.3 s', '7 min')
    """
    if seconds >= 100:
        return f"{seconds / 60:.0f} min"
    return f"{seconds:.2g} s" if seconds > 1 else "1 s"


def text_of(report: Any) -> str:
    """Return what a terminal would show, without colour."""
    console = Console(file=io.StringIO(), width=140, color_system=None)
    console.print(report, highlight=False)
    return console.file.getvalue().rstrip()  # type: ignore[attr-defined]


def _kept(text: str, path: str | Path | None) -> str:
    if path is not None:
        write_text(path, text)
    return text


@dataclass(frozen=True)
class Row:
    """One row of a report, as continuous integration shows it.

    Attributes:
        rule: what is demanded, such as "rotation".
        name: of the row: the rule and the quantity.
        verdict: of the row.
        message: what was found, in one line.
        source: the code that breaks it, where that is known.
    """

    rule: str
    name: str
    verdict: Verdict
    message: str
    source: Source | None = None


class Report(ABC):
    """The result of a check, for people, for programs, for browsers; rich prints it as a table."""

    subject: ClassVar[str]
    """What is checked, in a word: "equivariance", "physics"."""
    seconds: float
    """What the check took."""
    source: Source | None
    """Where the code is that was checked, or None."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What was checked."""

    @abstractmethod
    def rows(self) -> list[Row]:
        """Return what was tested, one row each."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values; infinities and NaN become None."""

    @abstractmethod
    def to_html_fragment(self) -> str:
        """Return the report as HTML without a page around it."""

    @abstractmethod
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult: ...

    @property
    def verdict(self) -> Verdict:
        """Fail if any row fails, else undecided if any is, else pass."""
        return Verdict.worst([row.verdict for row in self.rows()])

    @property
    def passed(self) -> bool:
        """Whether everything passes."""
        return self.verdict is Verdict.PASS

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the report as JSON, and write it to a file if one is given."""
        text = json.dumps(self.to_dict(), indent=2)
        _kept(text + "\n", path)
        return text

    def to_html(self, path: str | Path | None = None) -> str:
        """Return a page that needs nothing else, and write it to a file if one is given."""
        return _kept(fragment("page.html.jinja", self, fragment=self.to_html_fragment()), path)

    def to_junit(self, path: str | Path | None = None) -> str:
        """Return the report as JUnit's XML, and write it to a file if one is given."""
        return _kept(junit(self), path)

    def to_sarif(self, path: str | Path | None = None) -> str:
        """Return the report as a SARIF log, and write it to a file if one is given."""
        return _kept(sarif(self), path)

    def to_badge(self, path: str | Path | None = None) -> str:
        """Return a badge (SVG) with the verdict, and write it to a file if one is given."""
        return _kept(badge(self), path)

    def __str__(self) -> str:
        return text_of(self)

    def __repr__(self) -> str:
        return str(self)  # so that a notebook and a prompt show the table
