"""What the terminal shows while training: a table that grows, and a bar under it where there is a terminal."""

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from equishare.training.config.durations import format_duration
from equishare.training.evaluation.errors import Quantity, quantities
from equishare.training.forecast import Forecast
from equishare.training.state import TrainingState

_LINES = 20
_WIDE = 13
_NARROW = 60
"""Columns below which the errors come before the loss of training and the rate."""


class TrainingProgress:
    """Print about twenty validations of a run, the first and the last among them; show a bar on a terminal.

    Nothing but plain lines is written where the output is not a terminal.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bar: Progress | None = None
        self.task: TaskID | None = None
        self.next_mark = 0.0
        self.pending: str | None = None
        self.begun = False
        self.columns: list[tuple[Quantity, int]] = []
        self.narrow = False
        self.fraction = 0.0
        self.forecast = Forecast()

    def __enter__(self) -> "TrainingProgress":
        """Start the bar."""
        if self.console.file.isatty():  # is_terminal is true of a pipe where FORCE_COLOR is set, as notebooks do
            self.bar = Progress(
                TextColumn("[progress.percentage]{task.percentage:>3.0f}%"),
                BarColumn(bar_width=None),
                TextColumn("{task.description}"),
                console=self.console,
                transient=True,
            )
            self.task = self.bar.add_task("", total=1.0)
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Print the last validation and take the bar away."""
        if self.pending is not None and error is None:
            self._print(self.pending)
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def on_step(self, state: TrainingState) -> None:
        """Move the bar."""
        seconds = state.seconds
        self.fraction = state.fraction
        if self.bar is not None and self.task is not None:
            left = ""
            if self.fraction > 0.01:
                rest = (seconds - state.budget.begun) * (1 - self.fraction) / self.fraction
                left = f", {format_duration(max(1, round(rest)))} left"
            description = f"epoch {state.epoch + 1}{left}"
            self.bar.update(self.task, completed=self.fraction, description=description, refresh=False)

    def on_row(self, row: dict[str, Any]) -> None:
        """Print a validation if it is time for a line."""
        if not self.begun:
            self.narrow = self.console.width < _NARROW
            self.columns = _columns(row, self.console.width - len(self._line("", "", "", "", "")) - len("  kept"))
        errors = [f"{_short(q.shown[1] * row[_rmse(q)]):>{width}}" for q, width in self.columns]
        line = self._line(
            f"{row['epoch']:g}",
            format_duration(round(row["seconds"])),
            f"{row['train_loss']:.3g}",
            "".join(errors),
            f"{row['learning_rate']:.1e}",
        )
        line += "  kept" if row["kept"] else ""
        if not self.begun:
            names = "".join(f"{f'{q.row.name} RMSE':>{width}}" for q, width in self.columns)
            if any(len(q.row.name) + 6 > width for q, width in self.columns):
                names = "".join(f"{q.row.name:>{width}}" for q, width in self.columns)
            units = "".join(f"{q.shown[0]:>{width}}" for q, width in self.columns)
            self._print(self._line("epoch", "time", "train loss", names, "rate"))
            self._print(self._line("", "", "", units, "").rstrip())
            self.begun = True
        if self.fraction >= self.next_mark:
            self._print(line)
            self.next_mark = (int(self.fraction * _LINES) + 1) / _LINES
            self.pending = None
        else:
            self.pending = line
        if (forces := row.get("valid_forces_rmse")) is not None:
            likely = self.forecast.after(self.fraction, 1000 * forces)
            if likely is not None:
                self._print(
                    f"Likely at the end, as most runs go: forces RMSE {_short(likely[0])} to {_short(likely[1])} meV/Å"
                )

    def on_ending(self, seconds: float) -> None:
        """Say that the run ends before its budget, after about so many seconds."""
        when = format_duration(max(1, round(seconds)))
        self._print(
            f"Validation no longer improves: back to the best weights, with a rate that falls; the run ends after about {when}"
        )

    def _line(self, epoch: str, time: str, loss: str, errors: str, rate: str) -> str:
        if self.narrow:
            return f"{epoch:>6}{time:>8}{errors}"
        return f"{epoch:>6}{time:>8}{loss:>12}{errors}{rate:>9}"

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False)


def _rmse(quantity: Quantity) -> str:
    """Name of its validation error in a row."""
    return f"valid_{quantity.metric('rmse')}"


def _columns(row: dict[str, Any], room: int) -> list[tuple[Quantity, int]]:
    """RMS errors that so many signs have room for, and how wide each is; all are in ``metrics.csv``."""
    shown = [q for q in quantities() if q.name != "energy" and row.get(_rmse(q)) is not None]
    if sum(_WIDE for _ in shown) <= room:
        return [(q, _WIDE) for q in shown]
    narrow = [(q, max(len(q.row.name), len(q.shown[0]), 6) + 2) for q in shown]
    return [column for n, column in enumerate(narrow) if sum(each for _, each in narrow[: n + 1]) <= room]


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
