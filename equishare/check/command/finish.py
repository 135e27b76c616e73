"""From a check to its report: progress, what to write where, errors in words, and the exit code."""

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from equishare.check.errors import CheckError
from equishare.check.reports.verdict import Verdict
from equishare.files import check_writable

PASSED, FAILED, COULD_NOT_RUN, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True)
class Outputs:
    """What is written beside the table.

    Attributes:
        json: print JSON instead of it.
        html, junit, sarif, badge: files to write.
    """

    json: bool = False
    html: Path | None = None
    junit: Path | None = None
    sarif: Path | None = None
    badge: Path | None = None

    def files(self) -> dict[str, Path]:
        """Kinds of files that were asked for."""
        asked = {"html": self.html, "junit": self.junit, "sarif": self.sarif, "badge": self.badge}
        return {kind: path for kind, path in asked.items() if path is not None}


def finish(run: Callable[[Any], Any], outputs: Outputs) -> None:
    """Run with progress on standard error, print the report, and exit with its verdict."""
    errors = Console(stderr=True, soft_wrap=True)
    try:
        for path in outputs.files().values():
            check_writable(path)
        # what a model prints is not the report
        with redirect_stdout(sys.stderr):
            report = _with_progress(run, errors)
    except KeyboardInterrupt as error:
        errors.print("interrupted")
        raise typer.Exit(INTERRUPTED) from error
    except Exception as error:
        explain(error, errors)
        raise typer.Exit(COULD_NOT_RUN) from error
    if outputs.json:
        sys.stdout.write(report.to_json() + "\n")
    else:
        # a file takes lines as wide as they are
        wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120
        Console(width=wide).print(report, highlight=False)
    for kind, path in outputs.files().items():
        try:
            getattr(report, f"to_{kind}")(path)
        except OSError as error:
            explain(error, errors)
            raise typer.Exit(COULD_NOT_RUN) from error
    raise typer.Exit(PASSED if report.verdict is Verdict.PASS else FAILED)


def explain(error: Exception, console: Console) -> None:
    """Say what went wrong, and where in the user's own code."""
    kind = "" if isinstance(error, (CheckError, OSError)) else f"{type(error).__name__}: "
    said = str(error) or "no message"
    text = "\n  ".join([f"could not run: {kind}{said}", *getattr(error, "__notes__", [])])
    console.print(text, style="bold red", markup=False, highlight=False)
    frames = traceback.extract_tb(error.__traceback__)
    package = str(Path(__file__).parents[2])
    if not frames or isinstance(error, CheckError):
        return
    libraries = (package, sys.prefix, sys.base_prefix, "<")
    own = [f for f in frames if not f.filename.startswith(libraries)]
    others = [f for f in frames if not f.filename.startswith((package, "<"))]
    if own or others:
        place = (own or others)[-1]
        console.print(f"  in {place.filename}, line {place.lineno}: {place.line}", markup=False, highlight=False)


def _with_progress(run: Any, console: Console) -> Any:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.file.isatty()) as bar:
        task = bar.add_task("starting", total=1.0)

        def progress(fraction: float, message: str) -> None:
            if fraction == 0.0 and message.startswith("about"):
                console.print(message, highlight=False)
            bar.update(task, completed=fraction, description=message)

        return run(progress)
