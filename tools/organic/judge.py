"""Judge the organic weights on molecules that they have never seen, against GFN2-xTB.

``python tools/organic/judge.py FOLDER MODEL --out judged.json`` takes 50 molecules of the test part and measures frames (energies, forces), relaxed geometries, torsions,
vibrations and dynamics; with ``--parts frames torsions`` some of them. What is in the file already is left alone, so it can be stopped and started again.
Prints a table.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.optimize import BFGS
from ase.vibrations.data import VibrationsData
from frames import sides
from smiles import part_of, read_molecules
from tblite.ase import TBLite
from train import kept_out

from equishare.files import write_text
from equishare.learning.bonds import Bonds
from equishare.potential import load
from equishare.simulate.md import MDSettings
from equishare.simulate.md.integrators import integrator
from equishare.simulate.md.velocities import draw_velocities
from equishare.training.evaluation.evaluate import evaluate

KINDS = ("qm9", "fragment", "decorated", "tautomer", "peptide", "ion", "drug")
TEMPERATURE = 500.0


def chosen(folder: Path, count: int) -> list[Atoms]:
    """Molecules of the test part, as many of each kind as there are, up to 35 atoms."""
    kinds = []
    for kind in KINDS:
        found = [a for a in read_molecules(folder / "molecules" / f"{kind}.xyz") if part_of(a.info["smiles"]) == "test"]
        kinds.append([a for a in found if 4 < len(a) <= 35])
    mixed = [kind[k] for k in range(max(map(len, kinds))) for kind in kinds if k < len(kind)]
    return mixed[:count]


class Pair:
    """The two calculators of one molecule."""

    def __init__(self, model: Path | str, atoms: Atoms) -> None:
        self.model: Calculator = load(model).calculator()
        self.xtb: Calculator = TBLite(method="GFN2-xTB", charge=atoms.info["charge"], verbosity=0)

    def energies(self, atoms: Atoms) -> tuple[float, float]:
        """Of the model and of xTB, in eV."""
        found = []
        for calculator in (self.model, self.xtb):
            image = atoms.copy()
            image.calc = calculator
            found.append(float(image.get_potential_energy()))
        return found[0], found[1]


def relaxed(atoms: Atoms, calculator: Calculator) -> Atoms:
    """At rest to 0.01 eV/Å, or after 300 steps."""
    image = atoms.copy()
    image.calc = calculator
    BFGS(image, logfile=None).run(fmax=0.01, steps=300)
    return image


def geometry(atoms: Atoms, pair: Pair) -> dict[str, float]:
    """Of the two minima next to a geometry: RMSD in Å, mean difference of bond lengths in Å, whether bonds are the same."""
    by_xtb = relaxed(atoms, pair.xtb)
    by_model = relaxed(by_xtb, pair.model)
    a = by_model.positions - by_model.positions.mean(0)
    b = by_xtb.positions - by_xtb.positions.mean(0)
    u, _, v = np.linalg.svd(a.T @ b)
    turn = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ v))]) @ v
    bonded = np.argwhere(np.triu(Bonds(by_xtb).bonded))
    lengths = [
        np.linalg.norm(x.positions[bonded[:, 0]] - x.positions[bonded[:, 1]], axis=1) for x in (by_model, by_xtb)
    ]
    return {
        "rmsd": float(np.sqrt(np.mean(np.sum((a @ turn - b) ** 2, axis=1)))),
        "bond": float(np.abs(lengths[0] - lengths[1]).mean()),
        "same": Bonds(by_xtb).changed(by_model) is None,
    }


def torsions(atoms: Atoms, pair: Pair) -> dict[str, float]:
    """A bond turned stiffly in steps of 30 degrees, what comes too close left out: RMSE and range of the profile in eV."""
    links = [link for link in sides(atoms) if 1 < link[2].sum() < len(atoms) - 1]
    if not links:
        return {}
    i, j, side = max(links, key=lambda link: int(link[2].sum()))
    profile = []
    for angle in range(0, 360, 30):
        image = atoms.copy()
        part = image[side]
        part.rotate(angle, image.positions[j] - image.positions[i], image.positions[i])
        image.positions[side] = part.positions
        if Bonds(atoms).changed(image) is None:
            profile.append(pair.energies(image))
    values = np.array(profile)
    values -= values[np.argmin(values[:, 1])]
    low = values[values[:, 1] < 1.0]  # what is hotter nobody visits
    return {"rmse": float(np.sqrt(np.mean((low[:, 0] - low[:, 1]) ** 2))), "range": float(np.ptp(low[:, 1]))}


def vibrations(atoms: Atoms, pair: Pair) -> dict[str, float]:
    """Mean absolute difference of the wavenumbers at each one's own minimum, 1/cm, those of turning and moving left out."""
    found = []
    start = relaxed(atoms, pair.xtb)
    for calculator in (pair.model, pair.xtb):
        image = relaxed(start, calculator)
        hessian = np.zeros((3 * len(image), 3 * len(image)))
        for k in range(3 * len(image)):
            slopes = []
            for sign in (1, -1):
                moved = image.copy()
                moved.positions.flat[k] += sign * 0.005
                moved.calc = calculator
                slopes.append(moved.get_forces().ravel())
            hessian[k] = (slopes[1] - slopes[0]) / 0.01
        bare = image.copy()
        energies = VibrationsData.from_2d(bare, (hessian + hessian.T) / 2).get_energies() / units.invcm
        found.append(np.sort(energies.real - np.abs(energies.imag))[6:])
    return {"mae": float(np.abs(found[0] - found[1]).mean()), "imaginary": int((found[0] < -20).sum())}


def dynamics(atoms: Atoms, pair: Pair, picoseconds: float) -> dict[str, Any]:
    """Langevin dynamics at 500 K: picoseconds until a bond broke or a force exploded, and all."""
    image = relaxed(atoms, pair.model)
    bonds, rng = Bonds(image), np.random.default_rng(0)
    draw_velocities(image, TEMPERATURE, rng)
    forces = image.get_forces()
    moving = integrator(image, MDSettings(temperature=TEMPERATURE, ensemble="langevin", friction=0.01), 0.5, rng)
    steps = round(2000 * picoseconds)
    for step in range(steps):
        forces = moving.step(forces)
        if not np.abs(forces).max() < 50 or (step % 100 == 0 and bonds.changed(image)):
            return {"picoseconds": step / 2000, "of": picoseconds, "reason": bonds.changed(image) or "forces"}
    return {"picoseconds": picoseconds, "of": picoseconds}


def table(found: dict[str, Any]) -> None:
    """Print what there is."""
    if "frames" in found:
        for kind, row in found["frames"].items():
            print(f"frames, {kind}: {row}")
    for name, key, factor, unit in (
        ("geometry", "rmsd", 1, "Å RMSD of the minima"),
        ("geometry", "bond", 1000, "mÅ of bond lengths"),
        ("torsions", "rmse", 1000, "meV RMSE of profiles"),
        ("torsions", "range", 1000, "meV range of profiles"),
        ("vibrations", "mae", 1, "1/cm of wavenumbers"),
        ("dynamics", "picoseconds", 1, "ps until it breaks"),
    ):
        values = [factor * row[key] for row in found.get(name, {}).values() if key in row]
        if values:
            print(f"{name}: {np.mean(values):.3g} {unit} (median {np.median(values):.3g}, {len(values)} molecules)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("model")
    parser.add_argument("--out", type=Path, default=Path("judged.json"))
    parser.add_argument("--parts", nargs="+", default=["frames", "geometry", "torsions", "vibrations", "dynamics"])
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--picoseconds", type=float, default=1000.0)
    given = parser.parse_args()
    found: dict[str, Any] = json.loads(given.out.read_text()) if given.out.exists() else {}
    if "frames" in given.parts and "frames" not in found:
        frames = kept_out(given.folder / "frames", "test")
        found["frames"] = {}
        for kind in (None, *sorted({frame.config_type for frame in frames})):
            part = [frame for frame in frames if kind is None or frame.config_type == kind]
            found["frames"][kind or "all"] = {
                k: round(v, 4) for k, v in evaluate(load(given.model), part).metrics().items() if v is not None
            }
        write_text(given.out, json.dumps(found))
    measures: dict[str, Callable[[Atoms, Pair], dict[str, Any]]] = {
        "geometry": geometry,
        "torsions": torsions,
        "vibrations": vibrations,
        "dynamics": lambda atoms, pair: dynamics(atoms, pair, given.picoseconds),
    }
    molecules = chosen(given.folder, given.count)
    for name, measure in measures.items():
        rows = found.setdefault(name, {})
        for k, atoms in enumerate(molecules if name != "dynamics" else molecules[:20]):
            key = f"{k} {atoms.info['smiles']}"
            if name in given.parts and key not in rows:
                rows[key] = measure(atoms, Pair(given.model, atoms))
                write_text(given.out, json.dumps(found))
    table(found)


if __name__ == "__main__":
    main()
