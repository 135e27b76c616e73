"""The last lines on the terminal: errors on held-out frames, and what to do with the potential."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from equishare import datasets
from equishare.atoms.frame import Frame
from equishare.training.config.durations import format_duration
from equishare.training.evaluation.calibration import Calibration
from equishare.training.evaluation.evaluate import Evaluation
from equishare.training.run import Run

_TITLES = {"train": "train", "valid": "validation", "test": "test"}


def error_table(evaluations: Mapping[str, Evaluation]) -> Table:
    """MAE and RMSE of energy, energy an atom and forces, a row each set; fits 80 columns.

    >>> error_table({}).row_count
    0
    """
    table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    table.add_column("")
    for title in (
        "frames",
        "E MAE\nmeV",
        "E RMSE\nmeV",
        "E RMSE\nmeV/atom",
        "F MAE\nmeV/Å",
        "F RMSE\nmeV/Å",
        "F RMSE\n% of RMS",
    ):
        table.add_column(title, justify="right")
    for name, errors in evaluations.items():
        spread = labelled_forces_rms(errors)
        relative = None if errors.forces_rmse is None or not spread else 100 * errors.forces_rmse / spread
        millis = (
            errors.energy_mae,
            errors.energy_rmse,
            errors.energy_rmse_per_atom,
            errors.forces_mae,
            errors.forces_rmse,
        )
        cells = [*(number(None if value is None else 1000 * value) for value in millis), number(relative)]
        table.add_row(_TITLES.get(name, name), str(errors.n_frames), *cells)
    return table


def uncertainty_table(found: Mapping[str, Calibration]) -> Table:
    """Predicted uncertainties beside what the errors were; fits 80 columns.

    >>> uncertainty_table({}).row_count
    0
    """
    table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    for title in ("uncertainty", "predicted\nRMS", "actual\nRMS", "within\nσ, %", "within\n2σ, %", "rank\ncorrelation"):
        table.add_column(title, justify="left" if title == "uncertainty" else "right")
    for name, values in found.items():
        unit = {"energy": "energy, meV", "forces": "forces, meV/Å"}[name]
        sizes = [number(1000 * float(np.sqrt(np.mean(part**2)))) for part in (values.predicted, values.actual)]
        within = [f"{100 * part:.0f}" for part in (values.within_one, values.within_two)]
        table.add_row(unit, *sizes, *within, "-" if np.isnan(values.correlation) else f"{values.correlation:.2f}")
    return table


def selection_table(frames: Sequence[Frame], predictions: Sequence[Mapping[str, Any]]) -> Table:
    """Chosen frames with their uncertainties; of forces that of the least sure atom.

    >>> selection_table([], []).row_count
    0
    """
    table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    for title in ("frame", "atoms", "uncertainty of\nenergy, meV/atom", "largest of\nforces, meV/Å"):
        table.add_column(title, justify="left" if title == "frame" else "right")
    for frame, predicted in zip(frames, predictions, strict=True):
        energy = 1000 * predicted["energy_uncertainty"] / len(frame.atoms)
        forces = 1000 * float(np.max(predicted["forces_uncertainty"]))
        table.add_row(frame.name, str(len(frame.atoms)), number(energy), number(forces))
    return table


def labelled_forces_rms(evaluation: Evaluation) -> float | None:
    """RMS of the labelled force components in eV/Å."""
    labels = np.concatenate([frame.forces_label for frame in evaluation.frames])
    labels = labels[~np.isnan(labels)]
    return float(np.sqrt(np.mean(labels**2))) if labels.size else None


def number(value: float | None) -> str:
    """Three digits, in plain notation where that is short.

    >>> number(0.01234), number(12.345), number(1234.5), number(None)
    ('0.0123', '12.3', '1234', '-')
    """
    if value is None:
        return "-"
    if not np.isfinite(value):
        return str(value)
    if abs(value) >= 1e5 or 0 < abs(value) < 1e-4:
        return f"{value:.2e}"
    digits = 2 - int(np.floor(np.log10(abs(value)))) if value else 0
    return f"{value:.{max(digits, 0)}f}"


def commands(run: Run) -> list[tuple[str, str]]:
    """What to do with the potential: (purpose, command)."""
    model = run.folder.model
    split, data = run.data.split, run.config.data
    frame = (split.test or split.valid)[0]
    frames = data.test[0] if isinstance(data.test, list) else frame.file
    return [
        ("predict frames", f"equishare eval {model} {_short(frames)} --out predictions.xyz"),
        ("run molecular dynamics", f"equishare md {model} {_short(frame.file)}@{frame.index} --temperature 300"),
        ("use it in Python", f'atoms.calc = equishare.potential.load("{model}").calculator()'),
    ]


def _short(source: str) -> str:
    """A path relative to the working folder, where that is shorter; the name of a bundled data set as it is."""
    bundled = {str(datasets.path(name)): name for name in datasets.names()}
    return bundled.get(source) or min(source, os.path.relpath(source), key=len)


def print_errors(run: Run, console: Console) -> None:
    """Print the errors on held-out frames."""
    console.print()
    console.print(error_table({name: errors for name, errors in run.evaluations.items() if name != "train"}))
    console.print()


def print_next(run: Run, report: Path, console: Console) -> None:
    """Print where everything is, and what to do with it."""
    how = "Interrupted after" if run.interrupted else "Trained in"
    lines = [
        f"{how} {format_duration(round(run.seconds) or 1)}.",
        f"Potential  {run.folder.model}",
        f"Report     {report}",
        "",
        *(f"To {purpose}:\n  {command}" for purpose, command in commands(run)),
    ]
    if run.interrupted and run.folder.checkpoint.exists():
        lines.append(f"To continue:\n  equishare train --resume {run.folder.path}")
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, highlight=False)
