"""`equishare check`: a model's equivariance and a potential's laws, from the prompt."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from equishare.check.command.claim import KINDS, TypedClaim, load_claim
from equishare.check.command.finish import Outputs, finish
from equishare.check.command.structures import read_frame

QUICK = 20.0
"""Seconds that --quick aims at."""


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
Junit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit's XML.")]
Sarif = Annotated[
    Path | None, typer.Option("--sarif", metavar="FILE", help="Write SARIF, which GitHub shows in pull requests.")
]
Badge = Annotated[Path | None, typer.Option("--badge", metavar="FILE", help="Write a badge (SVG).")]
Quick = Annotated[
    bool, typer.Option("--quick", help="An answer in about 20 s, from fewer elements: see how sure it is.")
]
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
    types: Annotated[
        str | None,
        typer.Option(help="Types of the inputs, such as species,positions or h=atoms,pos=positions; else inferred."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            help="Type of the output, such as energy, forces, or 'atoms: 8x0e+4x1o'; several with commas; else inferred."
        ),
    ] = None,
    claim: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.PY:NAME",
            help="A claim of equishare.check, or a function that makes one, in place of --as and its options.",
        ),
    ] = None,
    axis: Annotated[
        int | None, typer.Option(help="Of a set: the axis that runs over its members, 0 by default.")
    ] = None,
    group: Annotated[str, typer.Option(help="Of an image: C2, C4, D1, D2, D4, C1.")] = "C4",
    translations: Annotated[bool, typer.Option(help="Of an image: test circular shifts too.")] = False,
    proper: Annotated[bool, typer.Option(help="Leave reflections out.")] = False,
    samples: Annotated[int | None, typer.Option(help="Elements for each part of the symmetry.")] = None,
    tolerance: Annotated[float, typer.Option(help="Relative error that passes whatever the noise.")] = 0.0,
    double: Annotated[bool, typer.Option(help="Check a float64 copy.")] = False,
    device: Annotated[str | None, typer.Option(help="Such as cuda.")] = None,
    seed: Seed = 0,
    quick: Quick = False,
    json: Json = False,
    html: Html = None,
    junit: Junit = None,
    sarif: Sarif = None,
    badge: Badge = None,
) -> None:
    """Check whether a model is equivariant, by how much it is not, and where it breaks."""

    def run(progress: Any) -> Any:
        import torch

        from equishare.check.command.loading import build, load_target
        from equishare.check.errors import TargetError
        from equishare.check.models.equivariance import equivariance
        from equishare.check.models.example_inputs import example_inputs

        typed = TypedClaim(as_, types, output, group, translations, not proper, axis)
        symmetry = load_claim(claim, build, load_target) if claim else typed.symmetry()
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
            symmetry,
            samples=samples,
            tolerance=tolerance,
            dtype=torch.float64 if double else None,
            device=device,
            seed=seed,
            seconds=QUICK if quick else None,
            progress=progress,
        )

    finish(run, Outputs(json, html, junit, sarif, badge))


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
    scan: Annotated[bool, typer.Option(help="Test smoothness along paths.")] = True,
    dynamics: Annotated[bool, typer.Option(help="Test conservation of energy.")] = True,
    against: Annotated[
        str | None,
        typer.Option(metavar="MODULE:NAME", help="Another calculator that should give the same numbers, on a GPU say."),
    ] = None,
    seed: Seed = 0,
    quick: Quick = False,
    json: Json = False,
    html: Html = None,
    junit: Junit = None,
    sarif: Sarif = None,
    badge: Badge = None,
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
            against=load_calculator(against) if against else None,
            seed=seed,
            seconds=QUICK if quick else None,
            progress=progress,
        )

    finish(run, Outputs(json, html, junit, sarif, badge))


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
