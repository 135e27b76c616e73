"""``equishare vibrations``: frequencies of molecules, phonon bands and elastic constants of crystals."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equishare.commands.imports import large_imports
from equishare.commands.options import Dispersion, Method
from equishare.errors import EquishareError

if TYPE_CHECKING:
    from ase import Atoms
    from rich.console import Console


def vibrations(
    model: Annotated[Path, typer.Argument(help="Model file, such as RUN/model.safetensors.")],
    start: Annotated[str, typer.Argument(help="Structure: FILE is its last frame, FILE@3 frame 3.")],
    supercell: Annotated[
        str | None, typer.Option(help="Of a crystal: repetitions for phonon bands, such as 3 or 3,3,2.")
    ] = None,
    elastic: Annotated[bool, typer.Option("--elastic", help="Of a crystal: elastic constants.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for table and picture.")] = Path("vibrations"),
    method: Method = None,
    dispersion: Dispersion = None,
) -> None:
    """Relax a structure and compute its vibrations with a fitted potential.

    Of a molecule: frequencies by the exact Hessian, and infrared intensities where the model has learnt the dipole. Of a crystal: phonon bands
    with --supercell, elastic constants with --elastic; its cell is relaxed as well.
    """
    with large_imports():
        import torch
        from rich.console import Console

        from equishare.atoms.writing import write_xyz
        from equishare.commands.starts import read_starts
        from equishare.files import new_folder
        from equishare.simulate import EquishareCalculator
        from equishare.simulate.training_data import outside
        from equishare.simulate.vibrations import minimum

    found = read_starts(model, [start], method)
    if len(found) > 1:
        raise EquishareError(f"expected one structure, got {len(found)} of {start}; name one, such as FILE@0")
    ((_, atoms),) = found
    crystal = supercell is not None or elastic
    if bool(atoms.pbc.all()) != crystal:
        raise EquishareError(
            "the structure is periodic: say what to compute of a crystal, --supercell 3 (phonon bands), --elastic, or both; of a "
            "molecule in a box remove the cell and pbc from the file"
            if not crystal
            else f"--supercell and --elastic are for crystals, and the structure has pbc {atoms.pbc.tolist()}"
        )
    repeats = _repeats(supercell) if supercell else None
    console = Console(highlight=False, soft_wrap=True)
    with new_folder(out):
        relaxed = minimum(atoms, EquishareCalculator(model, dtype=torch.float64, dispersion=dispersion), cell=crystal)
        write_xyz(out / "relaxed.xyz", relaxed)
        if (far := outside(model, relaxed)) is not None:
            console.print(f"The minimum is {far}", markup=False)
        if not crystal:
            _molecule(relaxed, out, console)
        if repeats:
            _bands(relaxed, repeats, out, console)
        if elastic:
            _elastic(relaxed, out, console)
    console.print(f"Written to {out}", markup=False)


def _repeats(text: str) -> tuple[int, int, int]:
    parts = text.split(",")
    if len(parts) not in (1, 3) or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise EquishareError(f"--supercell: expected a positive number or three, such as 3 or 3,3,2, got {text!r}")
    numbers = [int(part) for part in parts] * (3 // len(parts))
    return numbers[0], numbers[1], numbers[2]


def _molecule(atoms: "Atoms", out: Path, console: "Console") -> None:
    from equishare.files import write_text
    from equishare.simulate.pictures import plot_modes
    from equishare.simulate.vibrations import normal_modes

    modes = normal_modes(atoms)
    head, lines = "mode,wave_number_invcm", []
    console.print(f"{'mode':>5} {'1/cm':>10}" + ("" if modes.intensities is None else f" {'km/mol':>10}"))
    for k, wave in enumerate(modes.wave_numbers):
        absorbed = None if modes.intensities is None else modes.intensities[k]
        console.print(f"{k:5d} {wave:10.2f}" + ("" if absorbed is None else f" {absorbed:10.3f}"))
        lines.append(f"{k},{wave:.6g}" + ("" if absorbed is None else f",{absorbed:.6g}"))
    head += "" if modes.intensities is None else ",infrared_km_mol"
    console.print(f"zero-point energy {modes.zero_point_energy:.4f} eV; negative numbers are imaginary frequencies")
    write_text(out / "vibrations.csv", "\n".join([head, *lines]) + "\n")
    plot_modes(modes, out / "vibrations.png")


def _bands(atoms: "Atoms", repeats: tuple[int, int, int], out: Path, console: "Console") -> None:
    from equishare.files import write_text
    from equishare.narrow import print_pairs
    from equishare.simulate.pictures import plot_bands
    from equishare.simulate.vibrations import phonons

    bands = phonons(atoms, repeats)
    lines = ["segment,distance,branch,wave_number_invcm"]
    pairs = [("point", "wave numbers of the branches, 1/cm")]
    for (start, stop), distance, wave in zip(bands.labels, bands.distances, bands.wave_numbers, strict=True):
        for d, row in zip(distance, wave, strict=True):
            lines += [f"{start}-{stop},{d:.6g},{branch},{value:.6g}" for branch, value in enumerate(row)]
        pairs.append((start, " ".join(f"{value:.1f}" for value in wave[0])))
    print_pairs(console, pairs)
    write_text(out / "bands.csv", "\n".join(lines) + "\n")
    plot_bands(bands, out / "bands.png")


def _elastic(atoms: "Atoms", out: Path, console: "Console") -> None:
    from rich.table import Column

    from equishare.files import write_text
    from equishare.narrow import FittingTable
    from equishare.simulate.vibrations import elastic_constants

    found = elastic_constants(atoms)
    console.print("elastic constants in GPa")
    names = ("xx", "yy", "zz", "yz", "xz", "xy")
    table = FittingTable("", *(Column(name, justify="right") for name in names))
    for name, row in zip(names, found.constants, strict=True):
        table.add_row(name, *(f"{value:9.2f}" for value in row))
    console.print(table)
    console.print(f"bulk modulus {found.bulk:.2f} GPa, shear modulus {found.shear:.2f} GPa (Hill)")
    rows = [",".join(f"{value:.6g}" for value in row) for row in found.constants]
    write_text(out / "elastic.csv", "\n".join(["xx,yy,zz,yz,xz,xy", *rows]) + "\n")
