"""What a run says before its first step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from equishare.atoms.frame import Frame
from equishare.atoms.properties import outputs
from equishare.training.config import TrainConfig
from equishare.training.config.durations import format_duration
from equishare.training.run_folder import RunFolder

if TYPE_CHECKING:
    from equishare.training.plan import Plan
    from equishare.training.state import TrainingState


def announce(console: Console, plan: Plan, state: TrainingState, folder: RunFolder) -> None:
    """Say what is going to happen."""
    config, data = plan.config, plan.data
    split, reference = data.split, data.reference
    elements = ", ".join(f"{symbol} {energy:.3f}" for symbol, energy in reference.values.items())
    parameters = sum(parameter.numel() for parameter in state.potential.parameters())
    test = f", {len(split.test)} to test" if split.test else ""
    speed = f"; {plan.speed:.0f} µs an atom and step of dynamics on a core here" if plan.speed else ""
    rows = [
        ("Frames", f"{len(split.train)} to train on, {len(split.valid)} to validate{test}"),
        ("Labels", labels(split.train)),
        ("E0 in eV", f"{elements} ({', '.join(sorted(set(reference.origins.values())))})"),
        ("Model", f"{config.model.preset_name}, {parameters:,} parameters, cutoff {config.model.cutoff:g} Å{speed}"),
        ("Start", plan.start),
        *(("Level", _level(name, level, data.methods[0])) for name, level in data.levels.items()),
        ("Steps", f"{config.optimisation.batch_size} frames each, {config.run.dtype}, on {state.potential.device}"),
        ("Budget", _budget(config, plan.budget_chosen)),
        ("Folder", str(folder.path)),
    ]
    rows += [("Warning", f"{f.message}: {f.advice}" if f.advice else f.message) for f in data.inspection.warnings]
    rows += [("Note", note) for note in reference.notes]
    table = Table.grid(padding=(0, 2))
    for name, text in rows:
        table.add_row(Text(name, "bold yellow" if name == "Warning" else "bold"), Text(text))
    console.print(table)
    console.print()


def _level(method: str, level: Mapping[str, float], first: str) -> str:
    values = ", ".join(f"{symbol} {energy:+.3f}" for symbol, energy in level.items())
    return f"{method} above {first}, eV: {values}"


def labels(frames: Sequence[Frame]) -> str:
    """How many of the training frames have which label, and which labels are left out since they are no numbers.

    >>> from ase import Atoms
    >>> labels([Frame(Atoms("H"), energy=-13.0), Frame(Atoms("H"), energy=-13.1, dipole=(0, 0, 0))])
    'energy of all, dipole of 1 of 2'
    """
    counts = {row.name: sum(row.name in frame.labels for frame in frames) for row in outputs()}
    parts = [f"{name} of {'all' if n == len(frames) else f'{n} of {len(frames)}'}" for name, n in counts.items() if n]
    spoilt = {row.name: sum(row.name in frame.not_finite for frame in frames) for row in outputs()}
    parts += [f"{name} of {n} left out, for it is not a number" for name, n in spoilt.items() if n]
    weights = {frame.weight for frame in frames}
    if weights != {1.0}:
        parts.append(f"weights of frames from {min(weights):g} to {max(weights):g}")
    return ", ".join(parts)


def _budget(config: TrainConfig, chosen: bool) -> str:
    budget = config.budget
    if budget.epochs is not None:
        return f"{budget.epochs} epoch{'s' * (budget.epochs != 1)}"
    why = "; chosen by the size of the data, see --max-time and --epochs" if chosen else ""
    return f"{format_duration(budget.max_time or 0)}, report included{why}"
