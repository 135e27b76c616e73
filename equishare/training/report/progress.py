"""What the terminal shows while training: a table that grows, and a bar under it where there is a terminal."""

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from equishare.training.config.durations import format_duration
from equishare.training.state import TrainingState

_HEADER = f"{'epoch':>7}{'time':>9}{'train loss':>12}{'E RMSE':>14}{'F RMSE':>13}{'rate':>11}"
_UNITS = f"{'':>7}{'':>9}{'':>12}{'meV/atom':>14}{'meV/Å':>13}{'':>11}"
_LINES = 20


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
        self.fraction = 0.0

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

    def on_row(self, row: dict[str, Any], is_best: bool) -> None:
        """Print a validation if it is time for a line."""
        line = (
            f"{row['epoch']:>7g}{format_duration(round(row['seconds'])):>9}{row['train_loss']:>12.3g}"
            f"{_milli(row['valid_energy_rmse_per_atom']):>14}{_milli(row['valid_forces_rmse']):>13}"
            f"{row['learning_rate']:>11.1e}{'  best' if is_best else ''}"
        )
        if not self.begun:
            self._print(_HEADER)
            self._print(_UNITS)
            self.begun = True
        if self.fraction >= self.next_mark:
            self._print(line)
            self.next_mark = (int(self.fraction * _LINES) + 1) / _LINES
            self.pending = None
        else:
            self.pending = line

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False)


def _milli(value: float | None) -> str:
    return "-" if value is None else f"{1000 * value:.3g}" if value < 0.1 else f"{1000 * value:.0f}"
