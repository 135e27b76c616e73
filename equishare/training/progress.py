"""What the terminal shows while training: a table that grows, and a bar under it where there is a terminal."""

from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from equishare.potential import Potential
from equishare.training.config import TrainConfig
from equishare.training.durations import format_duration
from equishare.training.module import PotentialModule
from equishare.training.prepare import PreparedData
from equishare.training.run_folder import RunFolder

_HEADER = f"{'epoch':>7}{'time':>9}{'train loss':>12}{'E RMSE':>14}{'F RMSE':>13}{'rate':>11}"
_UNITS = f"{'':>7}{'':>9}{'':>12}{'meV/atom':>14}{'meV/Å':>13}{'':>11}"
_LINES = 20


class TrainingProgress(Callback):
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

    def on_train_start(self, trainer: Trainer, module: PotentialModule) -> None:  # type: ignore[override]
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

    def on_train_batch_end(self, trainer: Trainer, module: PotentialModule, *_: Any) -> None:  # type: ignore[override]
        """Move the bar."""
        seconds = module.seconds
        self.fraction = module.budget.fraction(module.global_step, seconds)
        if self.bar is not None and self.task is not None:
            left = ""
            if self.fraction > 0.01:
                rest = (seconds - module.budget.begun) * (1 - self.fraction) / self.fraction
                left = f", {format_duration(max(1, round(rest)))} left"
            self.bar.update(
                self.task,
                completed=self.fraction,
                description=f"epoch {trainer.current_epoch + 1}{left}",
                refresh=False,
            )

    def on_row(self, row: dict[str, Any], is_best: bool) -> None:
        """Print a validation if it is time for a line."""
        line = (
            f"{row['epoch']:>7}{format_duration(round(row['seconds'])):>9}{row['train_loss']:>12.3g}"
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

    def on_train_end(self, trainer: Trainer, module: PotentialModule) -> None:  # type: ignore[override]
        """Print the last validation and take the bar away."""
        if self.pending is not None:
            self._print(self.pending)
        self._stop()

    def on_exception(self, trainer: Trainer, module: PotentialModule, exception: BaseException) -> None:  # type: ignore[override]
        """Take the bar away."""
        self._stop()

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False)


def announce(
    console: Console,
    config: TrainConfig,
    data: PreparedData,
    potential: Potential,
    folder: RunFolder,
    device: torch.device,
    chosen: bool,
) -> None:
    """Say what is going to happen; `chosen` tells that the budget was not given, but follows from the size of the data."""
    split, reference = data.split, data.reference
    elements = ", ".join(f"{symbol} {energy:.3f}" for symbol, energy in reference.values.items())
    parameters = sum(parameter.numel() for parameter in potential.parameters())
    test = f", {len(split.test)} to test" if split.test else ""
    rows = [
        ("Frames", f"{len(split.train)} to train on, {len(split.valid)} to validate{test}"),
        ("E0 in eV", f"{elements} ({', '.join(sorted(set(reference.origins.values())))})"),
        ("Model", f"{config.model.preset_name}, {parameters:,} parameters, cutoff {config.model.cutoff:g} Å"),
        ("Steps", f"{config.optimisation.batch_size} frames each, {config.run.dtype}, on {device}"),
        ("Budget", _budget(config, chosen)),
        ("Folder", str(folder.path)),
    ]
    rows += [("Warning", f"{f.message}: {f.advice}" if f.advice else f.message) for f in data.inspection.warnings]
    rows += [("Note", note) for note in reference.notes]
    table = Table.grid(padding=(0, 2))
    for name, text in rows:
        table.add_row(Text(name, "bold yellow" if name == "Warning" else "bold"), Text(text))
    console.print(table)
    console.print()


def _budget(config: TrainConfig, chosen: bool) -> str:
    budget = config.budget
    if budget.epochs is not None:
        return f"{budget.epochs} epoch{'s' * (budget.epochs != 1)}"
    why = "; chosen by the size of the data, see --max-time and --epochs" if chosen else ""
    return f"{format_duration(budget.max_time or 0)}, report included{why}"


def _milli(value: float | None) -> str:
    return "-" if value is None else f"{1000 * value:.3g}" if value < 0.1 else f"{1000 * value:.0f}"
