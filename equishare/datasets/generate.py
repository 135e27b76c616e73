"""Make the bundled data sets: ``python -m equishare.datasets.generate [--out DIR] [--seed N] [NAME...]``.

Molecular dynamics draws the geometries, GFN2-xTB (Bannwarth, Ehlert & Grimme, J. Chem. Theory Comput. 15,
1652 (2019)) labels them, each from a cold start at the digits written, so that they can be made again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.spacegroup import crystal
from rich.console import Console
from rich.progress import track

from equishare.datasets.langevin import Schedule, langevin
from equishare.files import write_text

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

SEED = 20240
METHOD = "GFN2-xTB"
ACCURACY = 0.01  # tblite's; the SCF noise in the forces is then below 1e-5 eV/Å

# Unpaired electrons of the ground states 2S (H), 3P (C), 4S (N) and 3P (O). No spin polarisation: the labels of the
# molecules have none, and E0s must come from the same Hamiltonian.
UNPAIRED = {"H": 1, "C": 2, "N": 3, "O": 2}

NEUTRAL = (0, 1)
CATION = (1, 2)


@dataclass(frozen=True)
class Recipe:
    """How one data set and its held-out part are drawn.

    Every temperature gets `train + test` trajectories; the last `test` of them make `NAME_test.xyz`.
    Times are in fs, temperatures in K.
    """

    name: str
    start: Callable[[int, np.random.Generator], Atoms]
    species: tuple[str, ...]
    sampler: str  # the xTB Hamiltonian that drives the dynamics
    temperatures: tuple[int, ...]
    train: int
    test: int
    frames: int  # per trajectory
    timestep: float
    equilibration: int  # steps
    stride: int  # steps between frames
    states: tuple[tuple[int, int], ...] = (NEUTRAL,)  # charge and multiplicity in which every geometry is labelled


def ethanol(trajectory: int, rng: np.random.Generator) -> Atoms:
    """Ethanol, alternately anti and gauche in its C-C-O-H torsion, randomly turned."""
    atoms = molecule("CH3CH2OH")
    carbon = [i for i, s in enumerate(atoms.symbols) if s == "C"]
    oxygen = atoms.symbols.search("O")[0]
    hydroxyl = min(atoms.symbols.search("H"), key=lambda h: atoms.get_distance(oxygen, h))
    methylene, methyl = sorted(carbon, key=lambda c: atoms.get_distance(oxygen, c))
    atoms.set_dihedral(methyl, methylene, oxygen, hydroxyl, (180.0, 60.0, 180.0, -60.0)[trajectory % 4])
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    atoms.positions = atoms.positions @ (q * np.sign(np.linalg.det(q)))
    return atoms


def dry_ice(trajectory: int, rng: np.random.Generator) -> Atoms:
    """Dry ice, Pa-3 with 4 molecules, at lattice constants from 5.1 to 5.6 Å, all but the first strained."""
    a = (5.3, 5.1, 5.6, 5.2, 5.45, 5.35)[trajectory % 6]
    u = 1.145 / (np.sqrt(3.0) * a)  # C-O distance of GFN2-xTB, Å
    atoms = crystal(["C", "O"], [(0, 0, 0), (u, u, u)], spacegroup=205, cellpar=[a, a, a, 90, 90, 90])
    atoms = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=True)
    if trajectory % 6:
        strain = rng.normal(scale=0.015, size=(3, 3))
        atoms.set_cell(atoms.cell @ (np.eye(3) + 0.5 * (strain + strain.T)), scale_atoms=True)
        atoms.set_cell(np.round(atoms.cell, 6), scale_atoms=True)
    return atoms


def ions(trajectory: int, rng: np.random.Generator) -> Atoms:
    """One of five small molecules, randomly turned."""
    atoms = molecule(("H2O", "NH3", "H2CO", "CH3OH", "H3CNH2")[trajectory % 5])
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    atoms.positions = atoms.positions @ (q * np.sign(np.linalg.det(q)))
    return Atoms(atoms.symbols, atoms.positions)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("ethanol", ethanol, ("H", "C", "O"), METHOD, (300, 450, 600), 8, 2, 42, 0.5, 4000, 80),
        # GFN1-xTB draws the geometries ten times faster than GFN2-xTB, which labels them
        Recipe("dry_ice", dry_ice, ("C", "O"), "GFN1-xTB", (100, 200, 300), 5, 1, 16, 1.0, 250, 25),
        # vertical: the geometry does not tell the charge
        Recipe("ions", ions, ("H", "C", "N", "O"), METHOD, (500,), 10, 5, 12, 0.5, 1000, 60, (NEUTRAL, CATION)),
    )
}


def calculator(method: str = METHOD, charge: int = 0, multiplicity: int = 1) -> Calculator:
    """The ASE calculator of tblite with the settings of the labels.

    Raises:
        ModuleNotFoundError: tblite is not installed.
    """
    try:
        from tblite.ase import TBLite
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "making the data sets needs tblite, which is not installed: pip install 'equishare[xtb]'"
        ) from error
    return TBLite(method=method, charge=charge, multiplicity=multiplicity, accuracy=ACCURACY, verbosity=0)


def label(atoms: Atoms) -> Atoms:
    """A copy of `atoms` with GFN2-xTB energy, forces, and dipole (molecules) or stress (crystals).

    eV, eV/Å, e·Å, eV/Å^3 with ASE's sign; in the state that ``info`` says (``charge``, ``spin``), a neutral singlet where it says none; a
    single atom is taken in its high-spin ground state. Frames with a charge get no dipole: that of an ion depends on the origin.
    """
    single = len(atoms) == 1 and not atoms.pbc.any()
    work = atoms.copy()
    charge, multiplicity = (
        atoms.info.get(key, default) for key, default in zip(("charge", "spin"), NEUTRAL, strict=True)
    )
    work.calc = calculator(charge=charge, multiplicity=UNPAIRED[work.symbols[0]] + 1 if single else multiplicity)
    results = {"energy": work.get_potential_energy(), "forces": work.get_forces()}
    if atoms.pbc.any():
        results["stress"] = work.get_stress()
    elif not (single or "charge" in atoms.info):
        results["dipole"] = work.get_dipole_moment()
    labelled = atoms.copy()
    labelled.calc = SinglePointCalculator(labelled, **results)
    return labelled


def trajectory(recipe: Recipe, temperature: int, number: int, seed: int) -> list[Atoms]:
    """The labelled frames of one Langevin trajectory, which depends on nothing but its own arguments."""
    rng = np.random.default_rng([seed, *recipe.name.encode(), temperature, number])
    atoms = recipe.start(number, rng)
    atoms.calc = calculator(recipe.sampler)
    schedule = Schedule(recipe.timestep, recipe.equilibration, recipe.stride)
    frames = []
    for _ in islice(langevin(atoms, temperature, schedule, rng), recipe.frames):
        frame = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        if atoms.pbc.any():
            frame.wrap()
        else:
            frame.positions -= frame.positions.mean(axis=0)
        frame.positions = np.round(frame.positions, 6)
        frame.info = {"config_type": f"md_{temperature}K", "temperature": temperature, "trajectory": number}
        for charge, multiplicity in recipe.states:
            if len(recipe.states) > 1:
                frame.info |= {"charge": charge, "spin": multiplicity}
            frames.append(label(frame))
    return frames


def isolated_atoms(species: tuple[str, ...]) -> list[Atoms]:
    """One labelled frame per species, `config_type=isolated_atom`."""
    return [label(Atoms(s, info={"config_type": "isolated_atom"})) for s in species]


def _digits(values: np.ndarray, n: int) -> str:
    return " ".join(f"{x:.{n}f}" for x in np.round(np.ravel(values), n) + 0.0)  # + 0.0: no minus zero


def _lines(atoms: Atoms) -> Iterator[str]:
    # ASE's own writer keeps eight digits and wide columns; these files travel, so they are trimmed
    results = atoms.calc.results
    yield str(len(atoms))
    header = []
    if atoms.pbc.any():
        header.append(f'Lattice="{_digits(atoms.cell[:], 6)}"')
    header += ["Properties=species:S:1:pos:R:3:forces:R:3", f"energy={results['energy']:.6f}"]
    if "stress" in results:
        xx, yy, zz, yz, xz, xy = results["stress"]
        full = (xx, xy, xz, xy, yy, yz, xz, yz, zz)
        header.append(f'stress="{_digits(np.array(full), 8)}"')
    if "dipole" in results:
        header.append(f'dipole="{_digits(results["dipole"], 6)}"')
    header += [f"{key}={value}" for key, value in atoms.info.items()]
    yield " ".join([*header, 'pbc="{} {} {}"'.format(*("T" if p else "F" for p in atoms.pbc))])
    for symbol, position, force in zip(atoms.symbols, atoms.positions, results["forces"], strict=True):
        yield f"{symbol} {_digits(position, 6)} {_digits(force, 5)}"


def write(file: Path, frames: list[Atoms]) -> None:
    """Write labelled frames as extended XYZ: 1e-6 Å, 1e-6 eV, 1e-5 eV/Å, 1e-8 eV/Å^3, 1e-6 e·Å."""
    write_text(file, "".join(f"{line}\n" for atoms in frames for line in _lines(atoms)))


def generate(name: str, folder: Path, seed: int = SEED, console: Console | None = None) -> tuple[Path, Path]:
    """Make the data set `name` and its held-out part; gives the two files.

    Raises:
        ModuleNotFoundError: tblite is not installed.
    """
    recipe = RECIPES[name]
    train = isolated_atoms(recipe.species)
    test: list[Atoms] = []
    runs = [(t, n) for t in recipe.temperatures for n in range(recipe.train + recipe.test)]
    for temperature, number in track(runs, description=name, console=console, disable=console is None):
        frames = trajectory(recipe, temperature, number, seed)
        (train if number < recipe.train else test).extend(frames)
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / f"{name}.xyz", folder / f"{name}_test.xyz"
    for file, part in zip(files, (train, test), strict=True):
        write(file, part)
    return files


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m equishare.datasets.generate", description=main.__doc__)
    parser.description = "Make the bundled data sets with GFN2-xTB (needs the extra [xtb])."
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(RECIPES)} (default: all)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder (default: the package's)")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the trajectories (default: %(default)s)")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(RECIPES))
    if unknown:
        parser.error(f"expected data sets among {', '.join(RECIPES)}; got {', '.join(unknown)}")
    try:
        calculator()
    except ModuleNotFoundError as error:
        parser.exit(1, f"error: {error}\n")
    console = Console(stderr=True)
    for name in options.names or RECIPES:
        for file in generate(name, options.out, options.seed, console):
            console.print(f"wrote {file} ({file.stat().st_size / 1e6:.2f} MB)")


if __name__ == "__main__":
    main()
