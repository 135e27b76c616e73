"""``equishare eval``: errors of a fitted potential on labelled frames, and its predictions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equishare.commands.imports import large_imports
from equishare.commands.options import Method

if TYPE_CHECKING:
    from rich.console import Console

    from equishare.training.evaluation.evaluate import Evaluation


def evaluate(
    model: Annotated[Path, typer.Argument(help="Model file, such as RUN/model.safetensors.")],
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Frames, any file ASE reads.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the frames with predictions, as extended XYZ.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Frames at a time.", show_default="by their size")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    method: Method = None,
    key: Annotated[
        list[str] | None, typer.Option(help="Name of a property in the files, such as energy=REF_energy; repeatable.")
    ] = None,
) -> None:
    """Evaluate a potential on labelled frames, and write its predictions.

    Errors are in eV, eV/Å, eV/Å^3 and e·Å; of forces, stress and dipole they are of components. A potential
    with a committee gives uncertainties too.
    """
    with large_imports():
        import json
        from dataclasses import replace

        from equishare.atoms.reading import read_frames
        from equishare.commands.keys import parse_keys
        from equishare.commands.starts import check_model
        from equishare.devices import choose_device
        from equishare.errors import EquishareError
        from equishare.files import check_writable
        from equishare.potential import load
        from equishare.terminal import new_console
        from equishare.training.evaluation.calibration import calibrations
        from equishare.training.evaluation.evaluate import evaluate as measure
        from equishare.training.evaluation.predictions import write_predictions

    if out is not None:
        check_writable(out)
    check_model(model, method)
    keys = parse_keys(key)
    potential = load(model, device=choose_device(device))
    frames = read_frames(files, keys)
    if method is not None:
        frames = [replace(frame, conditions={**frame.conditions, "method": method}) for frame in frames]
    evaluation = measure(potential, frames, batch_size)
    if out is None and not evaluation.errors:
        raise EquishareError(
            "no frame has a label that the model predicts, so there are no errors to tell; write its predictions by --out FILE"
        )
    if out is not None:
        write_predictions(out, frames, evaluation)
    if as_json:
        found = {name: calibration.to_dict() for name, calibration in calibrations(evaluation).items()}
        typer.echo(json.dumps(evaluation.to_dict() | ({"uncertainty": found} if found else {}), indent=2))
    else:
        _show(new_console(), evaluation, out)


def _show(console: "Console", evaluation: "Evaluation", out: Path | None) -> None:
    from equishare.training.evaluation.calibration import calibrations
    from equishare.training.evaluation.energy_zero import another_zero
    from equishare.training.report.tables import element_table, error_table, number, uncertainty_table

    tables = [error_table({"all frames": evaluation})] if evaluation.errors else []
    if evaluation.config_types:
        tables.append(error_table(evaluation.config_types, "config_type"))
    if evaluation.elements:
        tables.append(element_table(evaluation.elements))
    if found := calibrations(evaluation):
        tables.append(uncertainty_table(found))
    for place, table in enumerate(tables):
        if place:
            console.print()
        console.print(table)
    lines = []
    if len(evaluation.frames) > 1 and "forces" in evaluation.errors:
        worst = ", ".join(f"{f.name} ({number(1000 * f.forces_rmse)} meV/Å)" for f in evaluation.worst(3))
        lines.append(f"\nLargest force errors: {worst}")
    if said := another_zero(evaluation):
        lines.append(f"Note: {said}")
    if out is not None:
        lines.append(f"Predictions: {out}")
    for line in lines:
        console.print(line, soft_wrap=True)
