"""What a run says before its first step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from equishare.training.config import TrainConfig
from equishare.training.config.durations import format_duration
from equishare.training.data.prepare import PreparedData
from equishare.training.run_folder import RunFolder

if TYPE_CHECKING:
    from equishare.training.state import TrainingState


def announce(
    console: Console, config: TrainConfig, data: PreparedData, state: TrainingState, folder: RunFolder, chosen: bool
) -> None:
    """Say what is going to happen; `chosen` tells that the budget was not given, but follows from the size of the data."""
    split, reference = data.split, data.reference
    elements = ", ".join(f"{symbol} {energy:.3f}" for symbol, energy in reference.values.items())
    parameters = sum(parameter.numel() for parameter in state.potential.parameters())
    test = f", {len(split.test)} to test" if split.test else ""
    rows = [
        ("Frames", f"{len(split.train)} to train on, {len(split.valid)} to validate{test}"),
        ("E0 in eV", f"{elements} ({', '.join(sorted(set(reference.origins.values())))})"),
        ("Model", f"{config.model.preset_name}, {parameters:,} parameters, cutoff {config.model.cutoff:g} Å"),
        ("Steps", f"{config.optimisation.batch_size} frames each, {config.run.dtype}, on {state.potential.device}"),
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
