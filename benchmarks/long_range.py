"""Errors with and without interactions beyond the cutoff: two ions, rock salt, and a charged dimer.

``python benchmarks/long_range.py`` trains six small models and prints a table. Needs torch-pme and tblite.

- *ions*: ammonium and formate, moved by their own springs, 4 to 12 Å apart: GFN2-xTB of each ion alone, and the energy of point charges +1 and -1 e at nitrogen
  and carbon between them. What is beyond the cutoff is known exactly.
- *salt*: 64 atoms of NaCl with the Tosi-Fumi potential (Born-Mayer-Huggins with the full charges), displaced at random and strained.
- *dimer*: formate and water, 2.5 to 9 Å apart, total charge -1, by GFN2-xTB.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable

import numpy as np
import torch
from ase import Atoms, units
from ase.build import bulk, molecule

import equishare
from equishare.atoms import Frame
from equishare.potential.long_range import COULOMB

CUTOFF = 4.0
# Fumi and Tosi, J. Phys. Chem. Solids 25, 31 and 45 (1964): A exp((s - r) / rho) - C / r^6 - D / r^8, in eV and Å
BORN = {
    "Na-Na": (0.2637, 2.340, 1.0486, 0.4993),
    "Cl-Na": (0.2110, 2.755, 6.9906, 8.6757),
    "Cl-Cl": (0.1582, 3.170, 72.4022, 145.4285),
}
RHO = 0.317


def xtb(atoms: Atoms, charge: int) -> tuple[float, np.ndarray]:
    """Energy in eV and forces in eV/Å."""
    from tblite.interface import Calculator

    calculator = Calculator("GFN2-xTB", atoms.numbers, atoms.positions / units.Bohr, charge=charge)
    calculator.set("verbosity", 0)
    found = calculator.singlepoint()
    return units.Hartree * float(found.get("energy")), -units.Hartree / units.Bohr * np.asarray(found.get("gradient"))


def ammonium() -> Atoms:
    """NH4+, nitrogen first."""
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / 3**0.5
    return Atoms("NH4", np.concatenate([np.zeros((1, 3)), 1.03 * corners]))


def formate() -> Atoms:
    """HCOO-, carbon first."""
    return Atoms("CO2H", [[0, 0, 0], [1.13, 0.54, 0], [-1.13, 0.54, 0], [0, -1.13, 0]])


def apart(first: Atoms, second: Atoms, distance: float, rng: np.random.Generator) -> tuple[Atoms, Atoms]:
    """Both displaced and turned, their first atoms so far apart."""
    parts = []
    for part in (first, second):
        moved = part.copy()
        moved.positions += rng.normal(scale=0.04, size=moved.positions.shape)
        moved.rotate(rng.uniform(0, 360), rng.normal(size=3))
        moved.positions -= moved.positions[0]
        parts.append(moved)
    direction = rng.normal(size=3)
    parts[1].positions += distance * direction / np.linalg.norm(direction)
    return parts[0], parts[1]


def ions(rng: np.random.Generator, index: int) -> Frame:
    """Ammonium and formate."""
    a, b = apart(ammonium(), formate(), rng.uniform(4.5, 12.0), rng)
    (ea, fa), (eb, fb) = xtb(a, 1), xtb(b, -1)
    vector = b.positions[0] - a.positions[0]
    distance = np.linalg.norm(vector)
    forces = np.concatenate([fa, fb])
    pull = COULOMB * vector / distance**3
    forces[0] += pull
    forces[len(a)] -= pull
    return Frame(a + b, energy=ea + eb - COULOMB / distance, forces=forces, file="ions", index=index)


def dimer(rng: np.random.Generator, index: int) -> Frame:
    """Formate and water."""
    whole = Atoms()
    while len(whole) == 0 or np.linalg.norm(whole.positions[:4, None] - whole.positions[None, 4:], axis=2).min() < 1.7:
        a, b = apart(formate(), molecule("H2O"), rng.uniform(2.5, 9.0), rng)
        whole = a + b
    energy, forces = xtb(whole, -1)
    return Frame(whole, energy=energy, forces=forces, conditions={"charge": -1}, file="dimer", index=index)


def salt(rng: np.random.Generator, index: int) -> Frame:
    """Rock salt by Fumi and Tosi."""
    atoms = bulk("NaCl", "rocksalt", 5.64 * rng.uniform(0.98, 1.03), cubic=True) * (2, 2, 2)
    strain = rng.normal(scale=0.01, size=(3, 3))
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain + strain.T), scale_atoms=True)
    atoms.positions += rng.normal(scale=0.12, size=atoms.positions.shape)
    import torchpme

    from equishare.atoms.neighbours import neighbour_list

    pairs = neighbour_list(atoms, 8.0)
    positions = torch.tensor(atoms.positions, requires_grad=True)
    cell = torch.tensor(atoms.cell.array)
    sender, receiver = torch.from_numpy(pairs.sender.copy()), torch.from_numpy(pairs.receiver.copy())
    vectors = positions[sender] - positions[receiver] + torch.tensor(pairs.shift, dtype=torch.float64) @ cell
    r = vectors.norm(dim=1)
    names = [
        "-".join(sorted((atoms.symbols[i], atoms.symbols[j])))
        for i, j in zip(pairs.receiver, pairs.sender, strict=True)
    ]
    a, s, c, d = torch.tensor([BORN[name] for name in names], dtype=torch.float64).T
    short = 0.5 * (a * torch.exp((s - r) / RHO) - c / r**6 - d / r**8).sum()
    charges = torch.tensor(np.where(atoms.symbols == "Na", 1.0, -1.0))[:, None]
    ewald = torchpme.EwaldCalculator(
        torchpme.CoulombPotential(smearing=1.4), lr_wavelength=0.7, full_neighbor_list=True
    ).double()
    half = ewald(charges, cell, positions, torch.stack([receiver, sender], 1), r)
    energy = short + COULOMB * (charges * half).sum()
    (gradient,) = torch.autograd.grad(energy, positions)
    return Frame(atoms, energy=float(energy.detach()), forces=-gradient.numpy(), file="salt", index=index)


SETS: dict[str, tuple[Callable[[np.random.Generator, int], Frame], int, dict[str, object]]] = {
    "ions": (ions, 300, {}),
    "salt": (salt, 60, {}),
    "dimer": (dimer, 300, {"conditions": ["charge"]}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("| data | frames | long range | E RMSE, meV | F RMSE, meV/Å |\n| --- | --- | --- | --- | --- |")
    for name in given.sets:
        make, count, options = SETS[name]
        rng = np.random.default_rng(0)
        frames = [make(rng, k) for k in range(count)]
        held = count // 4
        for long_range in (None, "coulomb"):
            with tempfile.TemporaryDirectory() as folder:
                batch = 8 if name != "salt" else 1
                run = equishare.train(
                    frames[2 * held :],
                    valid=frames[held : 2 * held],
                    test=frames[:held],
                    preset="small",
                    cutoff=CUTOFF,
                    long_range=long_range,
                    batch_size=batch,
                    epochs=max(1, given.steps * batch // (count - 2 * held)),
                    out=f"{folder}/run",
                    report=False,
                    pretraining={"weights": "none"},
                    **options,
                )
                errors = run.evaluations["test"].errors
            print(
                f"| {name} | {count - 2 * held} | {long_range or 'none'} | {1000 * errors['energy'].rmse:.1f} | {1000 * errors['forces'].rmse:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
