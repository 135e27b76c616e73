"""`equishare check`: a model's equivariance and a potential's laws, from the prompt."""

import os
import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from typer.core import TyperGroup

from equishare.check.reports.verdict import Verdict
from equishare.files import check_writable

KINDS = ("molecule", "point-cloud", "image", "set")
PASSED, FAILED, COULD_NOT_RUN, INTERRUPTED = 0, 1, 2, 130


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

        from equishare.check.command.loading import build, load_target
        from equishare.check.errors import TargetError
        from equishare.check.models.equivariance import equivariance
        from equishare.check.models.example_inputs import example_inputs

        if as_ not in KINDS:
            raise TargetError(f"--as {as_} is none of {', '.join(KINDS)}")
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            made = build(load_target(target))
            sizes = _shape(shape) if shape else None
            given = build(load_target(inputs)) if inputs else None
            if given is None and isinstance(made, tuple) and len(made) == 2:
                made, given = made
        _try_device(device)
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
    structure: Annotated[
        str, typer.Argument(metavar="FILE[@FRAME]", help="Any file that ASE reads; its last frame unless one is named.")
    ],
    samples: Annotated[int, typer.Option(help="Transformations for each law.")] = 3,
    scan: Annotated[bool, typer.Option(help="Test smoothness across the cutoff.")] = True,
    dynamics: Annotated[bool, typer.Option(help="Test conservation of energy.")] = True,
    seed: Seed = 0,
    json: Json = False,
    html: Html = None,
) -> None:
    """Check an ASE calculator: invariances, forces and stress, smoothness, conservation of energy."""

    def run(progress: Any) -> Any:
        from equishare.check.calculators.check import calculator
        from equishare.check.command.loading import load_calculator

        return calculator(
            load_calculator(target),
            read_frame(structure),
            samples=samples,
            scan=scan,
            dynamics=dynamics,
            seed=seed,
            progress=progress,
        )

    _finish(run, json, html)


def read_frame(name: str) -> Any:
    """Read a frame of a file, the last one unless the name ends in @number.

    Raises:
        TargetError: there is no such file, or ASE cannot read it.
    """
    from ase.io import read

    from equishare.check.errors import TargetError

    path, _, index = (name, "", "") if Path(name).is_file() else name.rpartition("@")
    if not Path(path or name).is_file():
        raise TargetError(f"there is no file {path or name}")
    try:
        return read(path or name, index=int(index or -1))
    except (StopIteration, IndexError) as error:
        raise TargetError(f"{path or name} has no frame {index or -1}") from error
    except Exception as error:
        raise TargetError(f"ASE cannot read {name}: {type(error).__name__}: {error}") from error


def _shape(text: str) -> list[int]:
    from equishare.check.errors import TargetError

    if not all(part.strip().isdigit() for part in text.split(",")):
        raise TargetError(f"--shape {text} is no shape; type sizes with commas, such as 1,3,32,32")
    return [int(part) for part in text.split(",")]


def _try_device(device: str | None) -> None:
    import torch

    from equishare.check.errors import TargetError

    try:
        torch.zeros(1, device=device)
    except Exception as error:
        raise TargetError(f"--device {device} cannot be used: {str(error).partition(chr(10))[0]}") from error


def _symmetry(kind: str, output: str | None, group: str, translations: bool, improper: bool) -> Any:
    from equishare.check.models.claims.images import image
    from equishare.check.models.claims.molecules import molecule, point_cloud
    from equishare.check.models.claims.sets import set_

    if kind == "image":
        return image(group, outputs=output, translations=translations)
    if kind == "set":
        return set_(outputs=output)
    if kind == "point-cloud":
        return point_cloud(outputs=output, improper=improper)
    return molecule(outputs=output, improper=improper)


def _finish(run: Any, json: bool, html: Path | None) -> None:
    """Run with progress on standard error, print the report, and exit with its verdict."""
    errors = Console(stderr=True, soft_wrap=True)
    try:
        if html is not None:
            check_writable(html)
        # what a model prints is not the report
        with redirect_stdout(sys.stderr):
            report = _with_progress(run, errors)
    except KeyboardInterrupt as error:
        errors.print("interrupted")
        raise typer.Exit(INTERRUPTED) from error
    except Exception as error:
        _explain(error, errors)
        raise typer.Exit(COULD_NOT_RUN) from error
    if json:
        sys.stdout.write(report.to_json() + "\n")
    else:
        # a file takes lines as wide as they are
        wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120
        Console(width=wide).print(report, highlight=False)
    if html is not None:
        try:
            report.to_html(html)
        except OSError as error:
            _explain(error, errors)
            raise typer.Exit(COULD_NOT_RUN) from error
    raise typer.Exit(PASSED if report.verdict is Verdict.PASS else FAILED)


def _explain(error: Exception, console: Console) -> None:
    """Say what went wrong, and where in the user's own code."""
    from equishare.check.errors import TargetError

    kind = "" if isinstance(error, (TargetError, OSError)) else f"{type(error).__name__}: "
    text = "\n  ".join([f"could not run: {kind}{error}", *getattr(error, "__notes__", [])])
    console.print(text, style="bold red", markup=False, highlight=False)
    frames = traceback.extract_tb(error.__traceback__)
    package = str(Path(__file__).parents[1])
    if not frames or frames[-1].filename.startswith(package):
        return
    own = [f for f in frames if not f.filename.startswith((package, sys.prefix, sys.base_prefix, "<"))]
    place = (own or frames)[-1]
    console.print(f"  in {place.filename}, line {place.lineno}: {place.line}", markup=False, highlight=False)


def _with_progress(run: Any, console: Console) -> Any:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.file.isatty()) as bar:
        task = bar.add_task("starting", total=1.0)

        def progress(fraction: float, message: str) -> None:
            if fraction == 0.0 and message.startswith("about"):
                console.print(message, highlight=False)
            bar.update(task, completed=fraction, description=message)

        return run(progress)
