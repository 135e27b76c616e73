"""``equishare relax``: structures without forces."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from equishare.commands.imports import large_imports
from equishare.commands.options import Dispersion, Method

if TYPE_CHECKING:
    from ase import Atoms


HEADINGS = ("structure", "steps", "energy, eV", "gained, meV", "force, eV/Å")


def relax(
    model: Annotated[Path, typer.Argument(help="Model file, such as RUN/model.safetensors.")],
    starts: Annotated[
        list[str],
        typer.Argument(metavar="START...", help="Structures: FILE is its last frame, FILE@3 frame 3, FILE@: all."),
    ],
    cell: Annotated[bool, typer.Option("--cell", help="Relax the cell as well.")] = False,
    fmax: Annotated[float, typer.Option(help="Largest force at the end in eV/Å.")] = 0.01,
    smax: Annotated[float, typer.Option(help="Largest stress at the end in eV/Å^3, with --cell.")] = 1e-4,
    steps: Annotated[int, typer.Option(help="At most so many steps.")] = 500,
    out: Annotated[Path, typer.Option(help="Folder for relaxed.xyz, and the way there of each structure.")] = Path(
        "relax"
    ),
    method: Method = None,
    dispersion: Dispersion = None,
) -> None:
    """Relax structures with a fitted potential, side by side on all cores; exit code 1 if one does not converge."""
    with large_imports():
        from rich.console import Console

        from equishare.atoms.writing import write_xyz
        from equishare.commands.starts import read_starts, side_by_side
        from equishare.files import new_folder

    found = read_starts(model, starts, method)
    options = {"fmax": fmax, "smax": smax, "steps": steps, "cell": cell}
    several = len(found) > 1
    jobs = [
        (model, atoms, name, out / str(k) if several else out, options, dispersion)
        for k, (name, atoms) in enumerate(found)
    ]
    console, left = Console(highlight=False, soft_wrap=True), 0
    frames: list[Atoms] = []
    with new_folder(out):
        try:
            wide = not console.is_terminal or console.width >= len(_line(HEADINGS))
            for cells, converged, frame, far in side_by_side(_relax, jobs):
                if wide and not frames:
                    console.print(_line(HEADINGS))
                console.print(_line(cells) if wide else _lines(cells), markup=False)
                if far is not None:
                    console.print(f"  {far}", markup=False)
                left += not converged
                frames.append(frame)
        finally:  # where one fails, those before it are kept
            if frames:
                write_xyz(out / "relaxed.xyz", frames)
    console.print(
        f"Written to {out}: relaxed.xyz, and of each structure path.xyz, relax.csv, relax.png",
        markup=False,
    )
    if left:
        console.print(f"{left} of {len(frames)} structures did not converge in {steps} steps", style="red")
        raise typer.Exit(1)


def _line(cells: Sequence[str]) -> str:
    """A line of the table.

    >>> _line(("a.xyz@0", "12", "-1.500000", "3.000", "0.01", "not converged"))
    'a.xyz@0                            12      -1.500000        3.000         0.01  not converged'
    """
    name, steps, energy, gained, force, *more = cells
    return "  ".join([f"{name[-30:]:30} {steps:>6} {energy:>14} {gained:>12} {force:>12}", *more])


def _lines(cells: Sequence[str]) -> str:
    """The same for terminals that are too narrow for it.

    >>> print(_lines(("a.xyz@0", "12", "-1.500000", "3.000", "0.01", "not converged")))
    a.xyz@0
      steps 12
      energy, eV -1.500000
      gained, meV 3.000
      force, eV/Å 0.01
      not converged
    """
    name, *values = cells
    said = [f"{heading} {value}" for heading, value in zip(HEADINGS[1:], values, strict=False)]
    return "\n  ".join([name, *said, *values[len(said) :]])


def _relax(
    model: Path, atoms: "Atoms", name: str, folder: Path, options: dict[str, Any], dispersion: str | None
) -> "tuple[tuple[str, ...], bool, Atoms, str | None]":
    """One relaxation: (its cells of the table and what else there is to say, whether it converged, the last frame, how it left the training data)."""
    import csv
    from dataclasses import astuple, fields

    import torch

    from equishare.atoms.writing import write_xyz
    from equishare.files import replacing
    from equishare.simulate import EquishareCalculator
    from equishare.simulate.pictures import plot_relaxation
    from equishare.simulate.relax import RelaxRow
    from equishare.simulate.relax import relax as run
    from equishare.simulate.training_data import outside

    atoms.calc = EquishareCalculator(model, dtype=torch.float64, dispersion=dispersion)
    found = run(atoms, **options)
    folder.mkdir(parents=True, exist_ok=True)
    write_xyz(folder / "path.xyz", found.path)
    with replacing(folder / "relax.csv") as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow([field.name for field in fields(RelaxRow)])
        lines.writerows(["" if value is None else value for value in astuple(row)] for row in found.rows)
    plot_relaxation(found, options["fmax"], folder / "relax.png")
    first, last = found.rows[0], found.rows[-1]
    gained = 1000 * (first.energy - last.energy)
    cells = [name, str(last.step), f"{last.energy:.6f}", f"{gained:.3f}", f"{last.max_force:.3g}"]
    if options["cell"]:
        cells.append(f"{last.max_stress:.2g} eV/Å^3, {last.volume:.3f} Å^3")
    if not found.converged:
        cells.append("not converged")
    frame = found.path[-1]
    frame.info["source"] = name
    return tuple(cells), found.converged, frame, outside(model, frame)
