"""``equishare inspect``: look at frames before training."""

from typing import Annotated

import typer

from equishare.commands.imports import large_imports


def inspect(
    files: Annotated[list[str], typer.Argument(help="Frames, any file ASE reads; FILE@:100 takes a slice.")],
    valid: Annotated[
        list[str] | None, typer.Option(help="Validation frames: looks for leaks between the parts.")
    ] = None,
    test: Annotated[list[str] | None, typer.Option(help="Test frames.")] = None,
    cutoff: Annotated[float, typer.Option(help="Radius in Å within which an atom should have a neighbour.")] = 5.0,
    key: Annotated[
        list[str] | None, typer.Option(help="Name of a property in the files, such as energy=REF_energy; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look at frames before training: labels, units, outliers, duplicates, leaks.

    Exit code 0: fine, or warnings only; 1: errors that training would stop at.
    """
    with large_imports():
        import json

        from equishare.atoms.inspection import inspect as look
        from equishare.atoms.reading import read_frames
        from equishare.atoms.render import render
        from equishare.commands.keys import parse_keys
        from equishare.terminal import new_console

    keys = parse_keys(key)
    parts = [read_frames(part, keys) if part else None for part in (files, valid, test)]
    inspection = look(parts[0] or [], parts[1], parts[2], cutoff=cutoff)
    if as_json:
        typer.echo(json.dumps(inspection.to_dict(), indent=2))
    else:
        new_console().print(render(inspection))
    if not inspection.ok:
        raise typer.Exit(1)
