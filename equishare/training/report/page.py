"""The report of a training: one HTML file that needs nothing else, and its pictures as PNG."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from jinja2 import Environment, PackageLoader

import equishare
from equishare.atoms.frame import Frame
from equishare.atoms.properties import outputs
from equishare.files import write_text
from equishare.potential import Potential, load
from equishare.training.config.config_file import to_yaml
from equishare.training.config.durations import format_duration
from equishare.training.evaluation.calibration import calibrations
from equishare.training.evaluation.errors import quantities
from equishare.training.evaluation.evaluate import Evaluation, FramePrediction
from equishare.training.evaluation.unfitted import unfitted
from equishare.training.report import plots
from equishare.training.report.figures import to_png, to_svg
from equishare.training.report.physics import check, seconds_allowed
from equishare.training.report.scenes import library, scenes
from equishare.training.report.tables import TITLES, commands, error_rows, number
from equishare.training.run import Run
from equishare.training.run_folder import kept_row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from equishare.check.reports.calculator_report import CalculatorReport


_WORST = 5


@dataclass(frozen=True)
class _Picture:
    name: str
    svg: str


def write_report(run: Run) -> Path:
    """Check the trained potential, and write ``report.html`` and ``plots/*.png`` into the run folder.

    Raises:
        OSError: if a file cannot be written.
    """
    potential = load(run.folder.model, device=run.device)
    _, judged = run.judged
    frame = _typical(run, judged)
    physics, seconds = check(potential, frame.atoms, seconds_allowed(run.config.budget.max_time))
    pictures = {}
    run.folder.plots.mkdir(exist_ok=True)
    for name, title, figure in _figures(run, judged, physics):
        to_png(figure, run.folder.plots / f"{name}.png")
        pictures[name] = _Picture(name, to_svg(figure, title))
    environment = Environment(
        loader=PackageLoader("equishare.training.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": _typeset,
        "minus": lambda text: f"−{text[1:]}" if text.startswith("-") else text,
        "milli": lambda value: _typeset(None if value is None else 1000 * value),
    }
    text = environment.get_template("report.html.jinja").render(
        **_facts(run, judged, potential),
        pictures=pictures,
        scenes=scenes(_worst(run, judged)),
        library=library(),
        physics=physics,
        frame=frame.name,
        md_milliseconds=1000 * seconds,
        md_atoms=len(frame.atoms),
        steps_per_second=1 / seconds,
    )
    write_text(run.folder.report, text)
    return run.folder.report


def _typeset(value: float | None) -> str:
    """Three digits, with a true minus."""
    return number(value).replace("-", "−") if value is not None else "–"


def _typical(run: Run, judged: Evaluation) -> Frame:
    """The held-out frame whose error is the median: neither the best nor the worst."""
    frames = run.data.split.test or run.data.split.valid
    errors = [abs(f.energy_error) if np.isnan(f.forces_rmse) else f.forces_rmse for f in judged.frames]
    order = np.argsort(np.nan_to_num(errors), kind="stable")
    return frames[int(order[len(order) // 2])]


def _worst(run: Run, judged: Evaluation) -> list[tuple[FramePrediction, Atoms]]:
    """The frames of the table of the largest errors, and their structures."""
    frames = run.data.split.test or run.data.split.valid
    place = {id(frame): index for index, frame in enumerate(judged.frames)}
    return [(frame, frames[place[id(frame)]].atoms) for frame in judged.worst(_WORST)]


def _figures(run: Run, judged: Evaluation, physics: CalculatorReport) -> Iterator[tuple[str, str, Figure]]:
    rows = run.folder.read_metrics()
    yield "learning_loss", "Loss", plots.learning_curve(rows, "valid_loss", "Loss")
    for quantity in quantities():
        metric = f"valid_{quantity.metric('rmse')}"
        if rows[-1].get(metric) is not None and quantity.name != "energy":  # shown an atom
            unit, factor = quantity.shown
            title = f"{quantity.row.name.capitalize()} RMSE, {unit}"
            yield f"learning_{quantity.row.name}", title, plots.learning_curve(rows, metric, title, factor)
    if "energy" in judged.errors:
        yield "parity_energy", "Predicted against labelled energy", plots.energy_parity(judged)
    for row in outputs():
        if row.name != "energy" and row.name in judged.errors:
            yield f"parity_{row.name}", f"Predicted against labelled {row.name}", plots.parity(judged, row)
    if "forces" in judged.errors:
        yield "element_errors", "Force error by element", plots.element_errors(judged)
    yield "frame_errors", "Error by frame", plots.frame_errors(judged)
    if found := calibrations(judged):
        yield "calibration", "RMS error against predicted uncertainty", plots.calibration(found)
    for test in physics.tests:
        if test.curve is not None:
            curve = test.curve
            name = "check_" + "_".join(test.name.lower().split())
            yield name, curve.title, plots.check_curve(curve.title, curve.x_label, curve.x, curve.series)


def _facts(run: Run, judged: Evaluation, potential: Potential) -> dict[str, Any]:
    rows = run.folder.read_metrics()
    title, _ = run.judged
    forces, energy = judged.errors.get("forces"), judged.errors.get("energy_per_atom")
    return {
        "title": run.folder.path.name,
        "version": equishare.__version__,
        "date": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        "interrupted": run.interrupted is not None,
        "duration": format_duration(round(run.seconds) or 1),
        "held_out": "test" if title == "test" else "validation",
        "errors": judged,
        "forces": forces,
        "energy": energy,
        "energy_of_frames": judged.rmse("energy"),
        "relative": None if forces is None or not forces.label_rms else 100 * forces.rmse / forces.label_rms,
        "error_rows": error_rows(run.evaluations),
        "kind_rows": {
            TITLES[name]: error_rows(evaluation.config_types)
            for name, evaluation in (("train", run.evaluations["train"]), run.judged)
            if evaluation.config_types
        },
        "unfitted": unfitted(run.evaluations["train"]),
        "worst": judged.worst(_WORST),
        "committee": potential.committee,
        "calibrations": calibrations(judged),
        "epochs": rows[-1]["epoch"],
        "steps": int(rows[-1]["step"] or 0),
        "kept_epoch": kept_row(rows)["epoch"],
        "parameters": sum(parameter.numel() for parameter in potential.parameters()),
        "config": run.config,
        "yaml": to_yaml(run.config),
        "step_milliseconds": run.step_milliseconds,
        "step_atoms": run.step_atoms,
        "device": str(run.device),
        "reference": run.data.reference,
        "findings": run.data.inspection.findings,
        "parts": run.data.inspection.summary["parts"],
        "commands": commands(run),
    }
