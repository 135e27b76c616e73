"""``equishare md``: molecular dynamics with a fitted potential."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equishare.commands.imports import large_imports

if TYPE_CHECKING:
    from ase import Atoms
    from rich.console import Console

    from equishare.simulate.md import MDResult, MDRow


class EnsembleName(StrEnum):
    """What is held constant."""

    langevin = "langevin"
    nve = "nve"


class DtypeName(StrEnum):
    """Floating-point precision."""

    float32 = "float32"
    float64 = "float64"


def md(
    model: Annotated[Path, typer.Argument(help="Model file, such as RUN/model.safetensors.")],
    start: Annotated[
        str, typer.Argument(help="Structure to start from, any file ASE reads; FILE@3 for frame 3, else the last.")
    ],
    temperature: Annotated[float, typer.Option(help="Temperature in K.")] = 300.0,
    steps: Annotated[int, typer.Option(help="Number of steps.")] = 10_000,
    ensemble: Annotated[EnsembleName, typer.Option(help="Constant temperature, or constant energy.")] = (
        EnsembleName.langevin
    ),
    timestep: Annotated[
        float | None, typer.Option(help="Time step in fs. [default: 0.5 with hydrogen, else 1]")
    ] = None,
    friction: Annotated[float, typer.Option(help="Friction of the Langevin thermostat in 1/fs.")] = 0.01,
    seed: Annotated[int, typer.Option(help="Seed of velocities and thermostat.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for trajectory.xyz, md.csv and md.png.")] = Path("md"),
    interval: Annotated[int, typer.Option(help="Steps between two frames written.")] = 10,
    dispersion: Annotated[
        str | None,
        typer.Option(help="Add D3(BJ) dispersion of a functional, such as pbe, where the training data lack it."),
    ] = None,
    device: Annotated[str, typer.Option(help="Where to run: cpu, cuda.")] = "cpu",
    dtype: Annotated[DtypeName | None, typer.Option(help="Precision. [default: that of the model file]")] = None,
) -> None:
    """Run molecular dynamics with a fitted potential.

    Stops with the reason where the run leaves the training domain or explodes. Ctrl-C saves what there is.
    """
    with large_imports():
        import torch
        from rich.console import Console

        from equishare.simulate.md import run_md

    console = Console()
    _check_device(device)
    atoms = _read_start(start)
    with _Progress(console, steps) as progress:
        result = run_md(
            model,
            atoms,
            steps,
            out,
            temperature=temperature,
            ensemble=ensemble.value,
            timestep=timestep,
            friction=friction,
            seed=seed,
            interval=interval,
            device=device,
            dtype=getattr(torch, dtype.value) if dtype else None,
            dispersion=dispersion,
            report=progress,
        )
    _summarise(console, result)
    if result.stopped:
        raise typer.Exit(130 if result.interrupted else 1)


def _read_start(start: str) -> "Atoms":
    """The structure that is named; the last one of a file with several, as ASE has it."""
    from equishare.atoms.reading import read_structures

    return read_structures(start)[-1]


def _check_device(device: str) -> None:
    import torch

    from equishare.errors import EquishareError

    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise EquishareError(f"there is no device {device!r}; expected cpu, cuda or cuda:0") from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise EquishareError("--device cuda: torch sees no CUDA device here; use --device cpu")


class _Progress:
    """A live bar on a terminal, a line every tenth of the run elsewhere."""

    def __init__(self, console: "Console", steps: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.console, self.steps = console, steps
        self.printed = -1
        self.bar = Progress(
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.file.isatty(),
        )
        self.task = self.bar.add_task("", total=steps)

    def __enter__(self) -> "_Progress":
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def __call__(self, row: "MDRow") -> None:
        kelvin, total = f"{row.temperature:.0f} K", f"E_tot {row.total_energy:.3f} eV"
        speed = f"{row.steps_per_second:.0f} steps/s"
        # short, for 80 columns have to hold the bar too
        self.bar.update(self.task, completed=row.step, description=f"{kelvin}  {total}  {speed}")
        tenth = 10 * row.step // self.steps
        if self.bar.disable and tenth > self.printed:
            self.printed = tenth
            self.console.print(
                f"step {row.step:>8} of {self.steps}  {row.time / 1000:.3f} ps  {kelvin:>8}  "
                f"E_pot {row.potential_energy:.3f} eV  {total}  {speed}",
                soft_wrap=True,
            )


def _summarise(console: "Console", result: "MDResult") -> None:
    last = result.rows[-1]
    mean = sum(row.temperature for row in result.rows) / len(result.rows)
    console.print(
        f"{last.step} steps, {last.time / 1000:.3f} ps, mean temperature {mean:.0f} K"
        + (f", energy drift {result.drift:+.3g} meV/atom/ps" if result.ensemble == "nve" else ""),
        highlight=False,
        soft_wrap=True,
    )
    if result.stopped:
        console.print(f"[red]{result.stopped}[/red]", highlight=False, soft_wrap=True)
        if not result.interrupted:
            console.print("Add frames like the last one, labelled, to the training data.", soft_wrap=True)
    console.print(f"Written to {result.folder}: trajectory.xyz, md.csv, md.png", highlight=False, soft_wrap=True)
