"""Move the molecules and label what they become: GFN2-xTB energies and forces.

``python tools/organic/frames.py FOLDER --process 0 --processes 2`` writes ``FOLDER/frames/PART-NUMBER.xyz``, a file for every 40 molecules of a
kind. Files that are there are left alone, so it can be stopped at any time, and what it left is a fair sample. Needs tblite.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from smiles import part_of, read_molecules
from tblite.exceptions import TBLiteRuntimeError
from tblite.interface import Calculator, Result

from equishare.files import replacing
from equishare.learning.bonds import Bonds

SHARD = 40
TEMPERATURES = (100.0, 300.0, 300.0, 500.0, 800.0, 1200.0, 1500.0)
STEPS = (0, 7, 16, 28)
"""Of a trajectory, in fs, at which its frames are kept."""
THERMAL = 4
"""Thermal frames of a molecule."""
MOVING = 0.15
"""Part of the molecules that a trajectory is made of: a frame of one takes eight labels."""
LARGEST_FORCE = 20.0  # eV/Å
SMALLEST_GAP = 0.4  # eV: between orbitals any nearer, the surface that SCF finds is not one


class XTB:
    """GFN2-xTB of one molecule, from the last density on."""

    def __init__(self, atoms: Atoms) -> None:
        self.calculator = Calculator(
            "GFN2-xTB", atoms.numbers, atoms.positions / units.Bohr, charge=atoms.info["charge"]
        )
        self.calculator.set("verbosity", 0)
        self.calculator.set("max-iter", 100)
        self.last: Result | None = None

    def __call__(self, positions: np.ndarray) -> tuple[float, np.ndarray, float]:
        """Energy in eV, forces in eV/Å, gap in eV.

        Raises:
            TBLiteRuntimeError: it does not converge.
        """
        self.calculator.update(positions / units.Bohr)
        self.last = self.calculator.singlepoint(self.last)
        levels, filled = self.last.get("orbital-energies"), self.last.get("orbital-occupations")
        empty = levels[filled < 1.0]
        gap = units.Hartree * (empty.min() - levels[filled >= 1.0].max()) if len(empty) else np.inf
        forces = -units.Hartree / units.Bohr * self.last.get("gradient")
        return units.Hartree * self.last.get("energy"), forces, gap


def moved(atoms: Atoms, rng: np.random.Generator) -> Iterator[Atoms]:
    """Labelled frames around a geometry: thermal ones with parts turned, a stretched one, and of some molecules a trajectory."""
    xtb = XTB(atoms)
    for k in range(THERMAL):
        start = atoms.copy() if k == 0 else turned(atoms, rng)
        start.positions += thermal(start, float(rng.choice(TEMPERATURES)), rng)
        yield from trajectory(start, xtb, 0.0, rng, steps=(0,))
    start = stretched(turned(atoms, rng), rng)
    start.positions += thermal(start, 100.0, rng)
    yield from trajectory(start, xtb, 0.0, rng, steps=(0,))
    if rng.random() < MOVING and len(atoms) <= 20:
        yield from trajectory(turned(atoms, rng), xtb, 2 * float(rng.choice(TEMPERATURES)), rng)


def thermal(atoms: Atoms, temperature: float, rng: np.random.Generator) -> np.ndarray:
    r"""Displacements in Å from the distribution of springs between atoms: :math:`N(0, k_B T H^{-1})`.

    Springs of 30, 6 and 0.6 eV/Å^2 hold atoms one, two and three bonds apart; 2 eV/Å^2 hold every atom where it is, for most of what the others
    leave free, such as bending out of a plane, is not.
    """
    linked = Bonds(atoms).bonded.astype(int)
    n, hessian = len(atoms), np.zeros((len(atoms), 3, len(atoms), 3))
    near, stiffness = np.eye(n, dtype=bool), np.zeros((n, n))
    reach = np.eye(n, dtype=int)
    for spring in (30.0, 6.0, 0.6):
        reach = reach @ linked
        stiffness[(reach > 0) & ~near] = spring
        near |= reach > 0
    for i, j in np.argwhere(np.triu(stiffness)):
        along = atoms.positions[j] - atoms.positions[i]
        along /= np.linalg.norm(along)
        block = stiffness[i, j] * np.outer(along, along)
        hessian[i, :, i] += block
        hessian[j, :, j] += block
        hessian[i, :, j] -= block
        hessian[j, :, i] -= block
    values, modes = np.linalg.eigh(hessian.reshape(3 * n, 3 * n) + 2.0 * np.eye(3 * n))
    return (modes @ (rng.normal(size=3 * n) * np.sqrt(units.kB * temperature / values))).reshape(n, 3)


def trajectory(
    start: Atoms, xtb: XTB, temperature: float, rng: np.random.Generator, steps: tuple[int, ...] = STEPS
) -> Iterator[Atoms]:
    """Frames at some steps of velocity Verlet at constant energy."""
    atoms, timestep = start.copy(), 1.0 * units.fs
    masses = atoms.get_masses()[:, None]
    velocities = rng.normal(size=(len(atoms), 3)) * np.sqrt(units.kB * temperature / masses)
    energy, forces, gap = xtb(atoms.positions)
    for step in range(steps[-1] + 1):
        if not np.abs(forces).max() < LARGEST_FORCE:
            return
        if step in steps and gap > SMALLEST_GAP:
            frame = Atoms(atoms.numbers, atoms.positions, info={k: start.info[k] for k in ("charge", "smiles")})
            frame.info["config_type"] = start.info["kind"]
            frame.calc = SinglePointCalculator(frame, energy=energy, forces=forces)
            yield frame
        if step < steps[-1]:
            half = velocities + 0.5 * timestep * forces / masses
            atoms.positions += timestep * half
            energy, forces, gap = xtb(atoms.positions)
            velocities = half + 0.5 * timestep * forces / masses


def turned(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """Parts of the molecule turned about bonds, or tilted a little, by random angles; as it was where parts would meet."""
    bonds, links = Bonds(atoms), list(sides(atoms))
    for _ in range(3):
        found = atoms.copy()
        for i, j, side in links:
            if side.sum() > 1 and rng.random() < 0.4:
                angle = rng.uniform(-180, 180) if rng.random() < 0.5 else rng.normal(scale=25)
                part = found[side]
                part.rotate(angle, found.positions[j] - found.positions[i], found.positions[i])
                found.positions[side] = part.positions
        if bonds.changed(found) is None:
            return found
    return atoms.copy()


def stretched(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """One bond made longer or shorter, or the whole molecule scaled."""
    found, links = atoms.copy(), list(sides(atoms))
    if not links or rng.random() < 0.25:
        found.positions *= rng.uniform(0.95, 1.08)
        return found
    i, j, side = links[int(rng.integers(len(links)))]
    along = found.positions[j] - found.positions[i]
    found.positions[side] += rng.uniform(-0.12, 0.35) * along
    return found


def sides(atoms: Atoms) -> Iterator[tuple[int, int, np.ndarray]]:
    """(i, j, atoms on the side of j, the smaller one) of each bond that is in no ring."""
    bonded = Bonds(atoms).bonded
    for i, j in np.argwhere(np.triu(bonded)).tolist():
        side = reached(bonded, i, j)
        if side[i]:
            continue
        other = reached(bonded, j, i)
        yield (i, j, side) if side.sum() <= other.sum() else (j, i, other)


def reached(bonded: np.ndarray, without: int, start: int) -> np.ndarray:
    """Atoms that hang together with one, once its bond to another is cut."""
    cut = bonded.copy()
    cut[without, start] = cut[start, without] = False
    found = np.zeros(len(cut), dtype=bool)
    found[start] = True
    while True:
        more = found | cut[found].any(axis=0)
        if (more == found).all():
            return found
        found = more


@dataclass(frozen=True)
class Shard:
    """Molecules whose frames are one file.

    Attributes:
        place: Of the shard among those of its kind, 0 to 1: in this order, whatever was made first is a fair sample.
    """

    name: str
    place: float
    molecules: list[Atoms]


def shards_of(folder: Path) -> Iterator[Shard]:
    """Molecules of one kind and part, 40 at a time, in random order."""
    for file in sorted(folder.glob("*.xyz")):
        molecules = read_molecules(file)
        parts: dict[str, list[Atoms]] = {"valid": [], "test": [], "train": []}
        for number in np.random.default_rng(3).permutation(len(molecules)).tolist():
            # a complex that holds a molecule of the test belongs to the test
            found = {part_of(smiles) for smiles in molecules[number].info["smiles"].split(".")}
            parts[next(part for part in ("test", "valid", "train") if part in found)].append(molecules[number])
        for part, chosen in parts.items():
            for first in range(0, len(chosen), SHARD):
                name = f"{part}-{file.stem}-{first // SHARD:03}"
                yield Shard(name, (first + 1) / max(len(chosen), 1) * (part == "train"), chosen[first : first + SHARD])


def frames_of(atoms: Atoms) -> list[Atoms]:
    """All frames of one molecule; those before SCF failed, where it does."""
    found = []
    try:
        for frame in moved(atoms, np.random.default_rng([11, atoms.info["number"], len(atoms)])):
            found.append(frame)
    except TBLiteRuntimeError:
        pass
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--process", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    out = given.folder / "frames"
    out.mkdir(exist_ok=True)
    shards = sorted(shards_of(given.folder / "molecules"), key=lambda shard: shard.place)
    for shard in shards[given.process :: given.processes]:
        file = out / f"{shard.name}.xyz"
        if file.exists():
            continue
        frames = [frame for molecule in shard.molecules for frame in frames_of(molecule)]
        with replacing(file) as beside:
            ase.io.write(beside, frames, format="extxyz")
        print(f"{shard.name}: {len(frames)} frames", flush=True)


if __name__ == "__main__":
    main()
