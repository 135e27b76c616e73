"""`equishare check`: a model's equivariance and a potential's laws, from the prompt."""

import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from typer.core import TyperGroup

from equishare.check.verdict import Verdict

KINDS = ("molecule", "point-cloud", "image", "set")
PASSED, FAILED, COULD_NOT_RUN = 0, 1, 2


class _ModelByDefault(TyperGroup):
    """`check file.py:make` means `check model file.py:make`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["model", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_ModelByDefault,
    no_args_is_help=True,
    help="Check any model for equivariance (file.py:make), or an ASE calculator for the laws of physics. "
    "Exit code 0: passed, 1: failed or undecided, 2: could not run.",
)

Json = Annotated[bool, typer.Option("--json", help="Print the report as JSON on standard output.")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a self-contained HTML report.")]
Seed = Annotated[int, typer.Option(help="Draws other elements, other inputs.")]


@app.command("model")
def model_command(
    target: Annotated[
        str,
        typer.Argument(metavar="FILE.PY:NAME", help="A module, a class or factory without arguments, or a function."),
    ],
    as_: Annotated[str, typer.Option("--as", help="What the inputs are: " + ", ".join(KINDS) + ".")] = "molecule",
    inputs: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.PY:NAME",
            help="Inputs, or a function that makes them; a tuple is several arguments.",
        ),
    ] = None,
    shape: Annotated[str | None, typer.Option(help="Shape of an image or set input, such as 1,3,32,32.")] = None,
    output: Annotated[
        str | None,
        typer.Option(help="Type of the output, such as energy, forces, or 'atoms: 8x0e+4x1o'; inferred if not given."),
    ] = None,
    group: Annotated[str, typer.Option(help="Of an image: C2, C4, D1, D2, D4, C1.")] = "C4",
    translations: Annotated[bool, typer.Option(help="Of an image: test circular shifts too.")] = False,
    proper: Annotated[bool, typer.Option(help="Leave reflections out.")] = False,
    samples: Annotated[int | None, typer.Option(help="Elements for each part of the symmetry.")] = None,
    tolerance: Annotated[float, typer.Option(help="Relative error that passes whatever the noise.")] = 0.0,
    double: Annotated[bool, typer.Option(help="Check a float64 copy.")] = False,
    device: Annotated[str | None, typer.Option(help="Such as cuda.")] = None,
    seed: Seed = 0,
    json: Json = False,
    html: Html = None,
) -> None:
    """Check whether a model is equivariant, by how much it is not, and where it breaks."""

    def run(progress: Any) -> Any:
        import torch

        from equishare.check.equivariance_check import equivariance
        from equishare.check.examples import example_inputs
        from equishare.check.loading import TargetError, build, load_target

        if as_ not in KINDS:
            raise TargetError(f"--as {as_} is none of {', '.join(KINDS)}")
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            made = build(load_target(target))
            sizes = [int(n) for n in shape.split(",")] if shape else None
            given = build(load_target(inputs)) if inputs else None
            if given is None and isinstance(made, tuple) and len(made) == 2:
                made, given = made
        if not callable(made):
            raise TargetError(f"{target} gives a {type(made).__name__}, which cannot be called")
        given = example_inputs(made, as_, sizes, seed) if given is None else given
        return equivariance(
            made,
            given,
            _symmetry(as_, output, group, translations, not proper),
            samples=samples,
            tolerance=tolerance,
            dtype=torch.float64 if double else None,
            device=device,
            seed=seed,
            progress=progress,
        )

    _finish(run, json, html)


@app.command("calculator")
def calculator_command(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:NAME",
            help="An ASE calculator or a factory of one; or a saved .safetensors potential.",
        ),
    ],
    structure: Annotated[Path, typer.Argument(help="Any file that ASE reads; the last frame is used.")],
    samples: Annotated[int, typer.Option(help="Transformations for each law.")] = 3,
    scan: Annotated[bool, typer.Option(help="Test smoothness across the cutoff.")] = True,
    dynamics: Annotated[bool, typer.Option(help="Test conservation of energy.")] = True,
    seed: Seed = 0,
    json: Json = False,
    html: Html = None,
) -> None:
    """Check an ASE calculator: invariances, forces and stress, smoothness, conservation of energy."""

    def run(progress: Any) -> Any:
        from equishare.check.calculator_check import calculator
        from equishare.check.loading import TargetError, load_calculator

        if not structure.is_file():
            raise TargetError(f"there is no file {structure}")
        made = load_calculator(target)
        return calculator(
            made,
            read_frame(structure),
            samples=samples,
            scan=scan,
            dynamics=dynamics,
            seed=seed,
            progress=progress,
        )

    _finish(run, json, html)


def read_frame(path: Path) -> Any:
    """Read the last frame of a file."""
    from ase.io import read

    return read(path, index=-1)


def _symmetry(kind: str, output: str | None, group: str, translations: bool, improper: bool) -> Any:
    from equishare.check import spellings

    if kind == "image":
        return spellings.image(group, outputs=output, translations=translations)
    if kind == "set":
        return spellings.set_(outputs=output)
    if kind == "point-cloud":
        return spellings.point_cloud(outputs=output, improper=improper)
    return spellings.molecule(outputs=output, improper=improper)


def _finish(run: Any, json: bool, html: Path | None) -> None:
    """Run with progress on standard error, print the report, and exit with its verdict."""
    console, errors = Console(), Console(stderr=True)
    try:
        report = _with_progress(run, errors)
        if html is not None:
            report.to_html(html)
    except Exception as error:
        errors.print(f"could not run: {type(error).__name__}: {error}", style="bold red", markup=False, highlight=False)
        frames = traceback.extract_tb(error.__traceback__)
        if frames and "equishare" not in frames[-1].filename:
            errors.print(f"  in {frames[-1].filename}, line {frames[-1].lineno}", markup=False, highlight=False)
        raise typer.Exit(COULD_NOT_RUN) from error
    if json:
        sys.stdout.write(report.to_json() + "\n")
    else:
        console.print(report, highlight=False)
    raise typer.Exit(PASSED if report.verdict is Verdict.PASS else FAILED)


def _with_progress(run: Any, console: Console) -> Any:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("starting", total=1.0)

        def progress(fraction: float, message: str) -> None:
            if fraction == 0.0 and message.startswith("about"):
                console.print(message, highlight=False)
            bar.update(task, completed=fraction, description=message)

        return run(progress)
