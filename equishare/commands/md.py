"""``equishare md``: molecular dynamics with a fitted potential."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equishare.commands.choices import DtypeName, EnsembleName, TrajectoryName
from equishare.commands.imports import large_imports
from equishare.commands.options import Dispersion, Method

if TYPE_CHECKING:
    from ase import Atoms
    from rich.console import Console

    from equishare.simulate.md import MDResult, MDRow, MDSettings


def md(
    model: Annotated[Path, typer.Argument(help="Model file, such as RUN/model.safetensors.")],
    starts: Annotated[
        list[str],
        typer.Argument(
            metavar="START...",
            help="Structures to start from: FILE is its last frame, FILE@3 frame 3, FILE@0:8 the first eight.",
        ),
    ],
    temperature: Annotated[float, typer.Option(help="Temperature in K.")] = 300.0,
    steps: Annotated[int, typer.Option(help="Number of steps, those before a restart included.")] = 10_000,
    ensemble: Annotated[
        EnsembleName, typer.Option(help="Constant temperature, constant energy, or constant temperature and pressure.")
    ] = EnsembleName.langevin,
    timestep: Annotated[
        float | None, typer.Option(help="Time step in fs.", show_default="0.5 with hydrogen, else 1")
    ] = None,
    friction: Annotated[float, typer.Option(help="Friction of the Langevin thermostat in 1/fs.")] = 0.01,
    pressure: Annotated[float | None, typer.Option(help="Pressure of npt in bar.", show_default="1")] = None,
    seed: Annotated[int, typer.Option(help="Seed of velocities and thermostat.")] = 0,
    new_velocities: Annotated[
        bool, typer.Option("--new-velocities", help="Draw velocities even where the file has momenta.")
    ] = False,
    out: Annotated[
        Path, typer.Option(help="Folder for trajectory, md.csv and md.png; of several starts out/0, out/1 and so on.")
    ] = Path("md"),
    restart: Annotated[bool, typer.Option("--restart", help="Go on with the run in the folder, bit for bit.")] = False,
    interval: Annotated[int, typer.Option(help="Steps between two frames written.")] = 10,
    trajectory: Annotated[TrajectoryName, typer.Option(help="Write extended XYZ or ASE's .traj.")] = TrajectoryName.xyz,
    method: Method = None,
    dispersion: Dispersion = None,
    device: Annotated[str, typer.Option(help="Where to run: auto, cpu, cuda.")] = "cpu",
    dtype: Annotated[DtypeName | None, typer.Option(help="Precision.", show_default="that of the model file")] = None,
) -> None:
    """Run molecular dynamics with a fitted potential, from one structure or several.

    Starts with the momenta of the file if it has any. Stops with the reason where the run leaves the training domain or explodes. Ctrl-C
    saves what there is; the same command with --restart goes on.
    """
    with large_imports():
        from rich.console import Console

        from equishare.commands.starts import read_starts, side_by_side
        from equishare.devices import choose_device
        from equishare.errors import EquishareError
        from equishare.simulate.md import MDSettings

    if pressure is not None and ensemble is not EnsembleName.npt:
        raise EquishareError(f"--pressure is that of --ensemble npt, got {ensemble.value}, whose volume stays as it is")
    settings = MDSettings(
        temperature=temperature,
        ensemble=ensemble.value,
        timestep=timestep,
        friction=friction,
        pressure=1.0 if pressure is None else pressure,
        seed=seed,
        interval=interval,
        new_velocities=new_velocities,
        trajectory=trajectory.value,
        device=str(choose_device(device)),
        dtype=None if dtype is None else dtype.value,
        dispersion=dispersion,
    )
    found = read_starts(model, starts, method)
    several = len(found) > 1
    jobs = []
    for k, (name, atoms) in enumerate(found):
        folder = out / str(k) if several else out
        jobs.append((model, atoms, steps, folder, replace(settings, seed=seed + k), restart, name if several else ""))
    codes = list(side_by_side(_run, jobs))
    if several:
        Console().print(f"{len(codes)} runs, {sum(map(bool, codes))} of them stopped early: {out}", soft_wrap=True)
    if any(codes):
        raise typer.Exit(max(codes))


def _run(
    model: Path, atoms: "Atoms", steps: int, folder: Path, settings: "MDSettings", restart: bool, name: str
) -> int:
    """One run; its exit code."""
    from rich.console import Console

    from equishare.simulate.md import run_md

    console = Console()
    with _Progress(console, steps, name) as progress:
        result = run_md(model, atoms, steps, folder, settings, restart=restart, report=progress)
    _summarise(console, result, name)
    return 0 if not result.stopped else 130 if result.interrupted else 1


class _Progress:
    """A live bar on a terminal, a line every tenth of the run elsewhere and where there are several runs."""

    def __init__(self, console: "Console", steps: int, name: str) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.console, self.steps, self.name = console, steps, f"{name}: " if name else ""
        self.printed = -1
        self.bar = Progress(
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=console,
            disable=bool(name) or not console.file.isatty(),
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
            cell = "" if row.volume is None else f"  {row.volume:.1f} Å³  {row.pressure:.0f} bar"
            self.console.print(
                f"{self.name}step {row.step:>8} of {self.steps}  {row.time / 1000:.3f} ps  {kelvin:>8}  "
                f"E_pot {row.potential_energy:.3f} eV  {total}{cell}  {speed}",
                soft_wrap=True,
                markup=False,
                highlight=False,
            )


def _summarise(console: "Console", result: "MDResult", name: str) -> None:
    from rich.markup import escape

    def say(text: str) -> None:
        console.print(f"{escape(name)}: {text}" if name else text, highlight=False, soft_wrap=True)

    last, ensemble = result.rows[-1], result.settings.ensemble
    mean = sum(row.temperature for row in result.rows) / len(result.rows)
    line = f"{last.step} steps, {last.time / 1000:.3f} ps, {result.start}, mean temperature {mean:.0f} K"
    if ensemble == "nve":
        line += f", energy drift {result.drift:+.3g} meV/atom/ps"
    if ensemble == "npt":
        volume, bar = ([getattr(row, what) for row in result.rows] for what in ("volume", "pressure"))
        line += f", mean volume {sum(volume) / len(volume):.2f} Å³, mean pressure {sum(bar) / len(bar):.0f} bar"
    say(line)
    if result.stopped:
        say(f"[red]{escape(result.stopped)}[/red]")
        say(
            "The same command with --restart goes on."
            if result.interrupted
            else f"If the start and the time step of {result.settings.timestep:g} fs are sound, label frames like the last one "
            "and add them to the training data."
        )
    say(f"Written to {escape(str(result.folder))}: trajectory.{result.settings.trajectory}, md.csv, md.png")
