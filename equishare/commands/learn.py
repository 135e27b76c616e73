"""``equishare learn``: from one structure and a method that labels to a potential."""

from pathlib import Path
from typing import Annotated, Any

import typer

from equishare.commands.imports import large_imports


def learn(
    start: Annotated[
        str | None,
        typer.Argument(
            metavar="STRUCTURE", help="File to start from (FILE@3: its frame 3, FILE@:8: the first eight), or a SMILES."
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="METHOD",
            help="xtb, pyscf:FUNCTIONAL/BASIS, gpaw:XC, orca:KEYWORDS, vasp:FILE.json, cp2k:FILE.json, espresso:FILE.json, "
            "chgnet, 7net, mace-mp, or MODULE:FACTORY, a function that returns an ASE calculator.",
        ),
    ] = None,
    temperature: Annotated[
        str | None, typer.Option(help="Temperatures of the dynamics in K, such as 300,600.", show_default="300")
    ] = None,
    pressure: Annotated[float | None, typer.Option(help="Let cells breathe at this pressure in bar.")] = None,
    accuracy: Annotated[
        str | None, typer.Option(help="Error of the forces that is wanted, such as 20meV (an Å).", show_default="20meV")
    ] = None,
    max_time: Annotated[str | None, typer.Option(help="For everything, report included, such as 2h.")] = None,
    max_labels: Annotated[int | None, typer.Option(help="Labels that may be made.", show_default="500")] = None,
    label_time: Annotated[str | None, typer.Option(help="For one label, such as 10m.", show_default="1h")] = None,
    workers: Annotated[int | None, typer.Option(help="Labels at a time.", show_default="as many as cores")] = None,
    preset: Annotated[str | None, typer.Option(help="Size of the model: fast, small, default, accurate.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything that is drawn.", show_default="0")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder.", show_default="learnt/FORMULA-n")] = None,
    resume: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Go on with what is there.")] = None,
) -> None:
    """Learn a potential from one structure and a method that labels.

    Draws configurations by dynamics, has those labelled that the potential is least sure of, trains, and again; until its forces are as
    accurate as wanted, or the budget is used. Ctrl-C keeps the best potential; --resume goes on. No label is made twice.
    """
    with large_imports():
        from rich.console import Console

        from equishare.learning.learn import learn as run
        from equishare.learning.report.summary import print_summary

    given: dict[str, Any] = {
        "temperatures": _temperatures(temperature),
        "pressure": pressure,
        "accuracy": _accuracy(accuracy),
        "max_time": max_time,
        "max_labels": max_labels,
        "label_limit": label_time,
        "workers": workers,
        "training": None if preset is None else {"preset": preset},
        "seed": seed,
    }
    settings = {name: value for name, value in given.items() if value is not None}
    console = Console(highlight=False)
    if resume is not None:
        if start is not None or out is not None:
            raise typer.BadParameter("--resume goes on from where it is; leave out STRUCTURE and --out")
        learnt = run(calculator=label, out=resume, resume=True, console=console, **settings)
    else:
        if start is None or label is None:
            raise typer.BadParameter(
                "expected a structure and a method that labels, such as: equishare learn ethanol.xyz --label xtb"
            )
        learnt = run(start, label, out=out, console=console, **settings)
    print_summary(learnt, console)
    if learnt.interrupted:
        raise typer.Exit(130)


def _temperatures(text: str | None) -> tuple[float, ...] | None:
    try:
        return None if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"expected temperatures such as 300,600, got {text!r}") from None


def _accuracy(text: str | None) -> float | None:
    """In eV/Å, of a text in meV/Å, or eV/Å.

    >>> _accuracy("20meV"), _accuracy("0.02eV/Å"), _accuracy("20")
    (0.02, 0.02, 0.02)
    """
    if text is None:
        return None
    cleaned = text.strip().removesuffix("/Å").removesuffix("/A")
    try:
        if cleaned.endswith("eV") and not cleaned.endswith("meV"):
            return float(cleaned.removesuffix("eV"))
        return float(cleaned.removesuffix("meV")) / 1000
    except ValueError:
        raise typer.BadParameter(f"expected an error of forces such as 20meV, got {text!r}") from None
