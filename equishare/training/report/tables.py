"""The last lines on the terminal: errors on held-out frames, and what to do with the potential."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from equishare import datasets
from equishare.atoms.frame import Frame
from equishare.atoms.properties import PROPERTIES
from equishare.narrow import FittingTable
from equishare.training.config.durations import format_duration
from equishare.training.evaluation.calibration import Calibration
from equishare.training.evaluation.errors import ErrorSet, quantities
from equishare.training.evaluation.unfitted import unfitted
from equishare.training.report.overfitted import overfitted
from equishare.training.run import Run

TITLES = {
    "train": "training (sample)",
    "valid": "validation",
    "test": "test",
    "start": "validation, before",
    "kept": "replayed, held out",
}


@dataclass(frozen=True)
class ErrorRow:
    """A line of a table of errors, as text."""

    name: str
    frames: str
    quantity: str
    mae: str
    rmse: str
    bias: str
    relative: str


def error_rows(sets: Mapping[str, ErrorSet]) -> list[ErrorRow]:
    """A line for each quantity of each set; of vectors and matrices the RMSE in per cent of the labels' RMS as well."""
    rows = []
    for name, errors in sets.items():
        first = True
        for quantity in quantities():
            found = errors.errors.get(quantity.name)
            if found is None:
                continue
            unit, factor = quantity.shown
            relative = 100 * found.rmse / found.label_rms if quantity.row.shape and found.label_rms else None
            rows.append(
                ErrorRow(
                    name=TITLES.get(name, name) if first else "",
                    frames=str(errors.n_frames) if first else "",
                    quantity=f"{quantity.row.name}, {unit}",
                    mae=number(factor * found.mae),
                    rmse=number(factor * found.rmse),
                    bias=signed(factor * found.bias, like=factor * found.rmse),
                    relative=number(relative),
                )
            )
            first = False
    return rows


def error_table(sets: Mapping[str, ErrorSet], title: str = "") -> FittingTable:
    """MAE, RMSE and mean error (bias) of every labelled quantity, set by set.

    >>> error_table({}).row_count
    0
    """
    table = FittingTable()
    table.add_column(title)
    table.add_column("frames", justify="right")
    table.add_column("")
    for heading in ("MAE", "RMSE", "bias", "% of RMS"):
        table.add_column(heading, justify="right")
    for row in error_rows(sets):
        cells = (row.name, row.frames, row.quantity, row.mae, row.rmse, row.bias, row.relative)
        table.add_row(*(Text(cell) for cell in cells))
    return table


def element_table(elements: Mapping[str, ErrorSet]) -> FittingTable:
    """The same by element, of what atoms have.

    >>> element_table({}).row_count
    0
    """
    table = error_table(elements, "element")
    table.columns[1].header = "atoms"
    return table


def uncertainty_table(found: Mapping[str, Calibration]) -> FittingTable:
    """Predicted uncertainties beside what the errors were.

    >>> uncertainty_table({}).row_count
    0
    """
    table = FittingTable()
    for title in ("uncertainty", "predicted\nRMS", "actual\nRMS", "within\nσ, %", "within\n2σ, %", "rank\ncorrelation"):
        table.add_column(title, justify="left" if title == "uncertainty" else "right")
    for name, values in found.items():
        unit, factor = PROPERTIES[name].shown or (PROPERTIES[name].unit, 1.0)
        sizes = [number(factor * float(np.sqrt(np.mean(part**2)))) for part in (values.predicted, values.actual)]
        within = [f"{100 * part:.0f}" for part in (values.within_one, values.within_two)]
        table.add_row(
            f"{name}, {unit}", *sizes, *within, "-" if np.isnan(values.correlation) else f"{values.correlation:.2f}"
        )
    return table


def selection_table(frames: Sequence[Frame], predictions: Sequence[Mapping[str, Any]]) -> FittingTable:
    """Chosen frames with their uncertainties; of forces that of the least sure atom.

    >>> selection_table([], []).row_count
    0
    """
    table = FittingTable()
    for title in ("frame", "atoms", "uncertainty of\nenergy, meV/atom", "largest of\nforces, meV/Å"):
        table.add_column(title, justify="left" if title == "frame" else "right")
    for frame, predicted in zip(frames, predictions, strict=True):
        energy = 1000 * predicted["energy_uncertainty"] / len(frame.atoms)
        forces = 1000 * float(np.max(predicted["forces_uncertainty"]))
        table.add_row(Text(frame.name), str(len(frame.atoms)), number(energy), number(forces))
    return table


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
    return f"{value:.{_digits(value)}f}"


def signed(value: float, like: float) -> str:
    """A number with its sign, to the digits that `number` gives another.

    >>> signed(1.5, like=2.0), signed(-0.02, like=12.0), signed(1e-5, like=300.0)
    ('+1.50', '0.0', '0')
    """
    if not (np.isfinite(value) and np.isfinite(like)) or abs(like) >= 1e5 or 0 < abs(like) < 1e-4:
        return f"{value:+.2e}"
    text = f"{value:+.{_digits(like)}f}"
    return text if text.strip("+-0.") else text[1:]


def _digits(value: float) -> int:
    """After the point, for three in all."""
    return max(2 - int(np.floor(np.log10(abs(value)))), 0) if value else 0


def commands(run: Run) -> list[tuple[str, str]]:
    """What to do with the potential: (purpose, command); frames that were given in Python have no file to name."""
    model = str(run.folder.model)
    split, data = run.data.split, run.config.data
    frame = (split.test or split.valid)[0]
    start, frames = "start.xyz", "new.xyz"
    if frame.file:
        start = f"{_short(frame.file)}@{frame.index}"
        frames = _short(data.test[0] if isinstance(data.test, list) else frame.file)
    return [
        ("predict frames", f"equishare eval {quote(model)} {quote(frames)} --out predictions.xyz"),
        ("run molecular dynamics", f"equishare md {quote(model)} {quote(start)} --temperature 300"),
        ("use it in Python", f"atoms.calc = equishare.potential.load({model!r}).calculator()"),
    ]


def _short(source: str) -> str:
    """A path relative to the working folder, where that is shorter; the name of a bundled data set as it is."""
    bundled = {str(datasets.path(name)): name for name in datasets.names()}
    return bundled.get(source) or min(source, os.path.relpath(source), key=len)


def print_errors(run: Run, console: Console) -> None:
    """Print the errors on training and held-out frames, kind by kind where there are several, and what is not fitted."""
    console.print()
    console.print(error_table(run.evaluations))
    console.print()
    judged = run.judged
    for name, evaluation in (("train", run.evaluations["train"]), judged):
        if evaluation.config_types:
            console.print(error_table(evaluation.config_types, f"{TITLES[name]}, by config_type"))
            console.print()
    for sentence in unfitted(run.evaluations["train"]):
        console.print(Text.assemble(("Not fitted ", "bold yellow"), sentence))
        console.print()
    if not run.interrupted and (too_long := overfitted(run.folder.read_metrics())) is not None:
        console.print(Text.assemble(("Too long ", "bold yellow"), too_long))
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
        lines.append(f"To continue:\n  equishare train --resume {quote(str(run.folder.path))}")
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, highlight=False)
