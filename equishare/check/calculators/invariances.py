"""Laws that relate a calculator's values on two structures: moved, reordered, repeated."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from jaxtyping import Float
from numpy import ndarray

from equishare.check.calculators.evaluator import Evaluator, Result, rms
from equishare.check.reports.calculator_report import PhysicsTest, judged
from equishare.groups import so3

ENERGY_TOLERANCE = 1e-6
"""eV per atom: below this a violation is too small to matter."""
FORCE_TOLERANCE = 1e-5
"""eV/Å."""
STRESS_TOLERANCE = 1e-7
"""eV/Å^3."""
FAR = 50.0
"""Å of vacuum between copies in the test of size-extensivity."""


@dataclass
class Expectation:
    """A transformed structure, and what its values must be if those of the original are `Result`."""

    atoms: Atoms
    expected: Result


@dataclass
class Violation:
    """The largest violations over several transformed structures: absolute, of energy per atom, forces and stress (rms)."""

    energy: float = 0.0
    forces: float = 0.0
    stress: float = 0.0
    atoms: int = 1
    finite: bool = True

    def include(self, found: Result, expected: Result) -> None:
        """Take one more structure into account."""
        self.finite &= found.finite
        self.atoms = len(found.forces)
        self.energy = max(self.energy, abs(found.energy - expected.energy))
        self.forces = max(self.forces, rms(found.forces - expected.forces))
        if found.stress is not None and expected.stress is not None:
            self.stress = max(self.stress, rms(found.stress - expected.stress))


def compare(
    name: str, evaluate: Evaluator, expectations: Iterator[Expectation], copies: int = 1, note: str = ""
) -> list[PhysicsTest]:
    """Evaluate transformed structures and judge energy, forces and stress."""
    violation = Violation()
    for expectation in expectations:
        violation.include(evaluate(expectation.atoms), expectation.expected)
    noise, atoms = evaluate.noise, violation.atoms
    if not violation.finite:
        nan = float("nan")
        return [judged(name, "energy, forces", nan, 0.0, 0.0, "", note="NaN or infinity")]
    rows = [
        judged(
            name,
            "energy",
            violation.energy / atoms,
            copies * noise.energy / atoms,
            ENERGY_TOLERANCE,
            "eV/atom",
            note=note,
        ),
        judged(name, "forces", violation.forces, noise.forces, FORCE_TOLERANCE, "eV/Å"),
    ]
    if evaluate.base.stress is not None and evaluate.has_stress:
        rows.append(judged(name, "stress", violation.stress, noise.stress, STRESS_TOLERANCE, "eV/Å³"))
    return rows


def rotated(evaluate: Evaluator, generator: torch.Generator, samples: int, improper: bool) -> Iterator[Expectation]:
    """Structures under random rotations (times the inversion): E' = E, F' = F R^T, sigma' = R sigma R^T."""
    for number in range(samples):
        R = so3().random(generator).numpy()
        R = -(np.eye(3) if number == 0 else R) if improper else R
        yield Expectation(turn(evaluate.atoms, R), _turned(evaluate.base, R))


def turn(atoms: Atoms, R: Float[ndarray, "3 3"]) -> Atoms:
    """Rotate positions and cell: r' = R r."""
    new = atoms.copy()
    new.set_cell(atoms.cell.array @ R.T)
    new.positions = atoms.positions @ R.T
    return new


def _turned(result: Result, R: Float[ndarray, "3 3"]) -> Result:
    stress = None if result.stress is None else R @ result.stress @ R.T
    return Result(result.energy, result.forces @ R.T, stress)


def translated(evaluate: Evaluator, generator: np.random.Generator, samples: int) -> Iterator[Expectation]:
    """Structures moved by a few Å: nothing changes."""
    for _ in range(samples):
        new = evaluate.atoms.copy()
        new.positions += 3 * generator.standard_normal(3)
        yield Expectation(new, evaluate.base)


def permuted(evaluate: Evaluator, generator: np.random.Generator, samples: int) -> Iterator[Expectation]:
    """Atoms in another order: forces follow."""
    for _ in range(samples):
        order = generator.permutation(len(evaluate.atoms))
        yield Expectation(
            evaluate.atoms[order],
            Result(evaluate.base.energy, evaluate.base.forces[order], evaluate.base.stress),
        )


def wrapped(evaluate: Evaluator, generator: np.random.Generator, samples: int) -> Iterator[Expectation]:
    """Atoms moved by lattice vectors: nothing changes."""
    atoms = evaluate.atoms
    for _ in range(samples):
        new = atoms.copy()
        jumps = generator.integers(-1, 2, (len(atoms), 3)) * atoms.pbc
        new.positions += jumps @ atoms.cell.array
        yield Expectation(new, evaluate.base)


def repeated(evaluate: Evaluator) -> Iterator[Expectation]:
    """Supercells doubled along one periodic direction: energy doubles, forces repeat, stress stays."""
    for axis in np.flatnonzero(evaluate.atoms.pbc):
        repeats = [2 if i == axis else 1 for i in range(3)]
        base = evaluate.base
        yield Expectation(
            evaluate.atoms.repeat(repeats), Result(2 * base.energy, np.tile(base.forces, (2, 1)), base.stress)
        )


def far_copies(evaluate: Evaluator, distance: float) -> Iterator[Expectation]:
    """Two copies of a molecule with vacuum in between: energy doubles, forces repeat."""
    atoms, base = evaluate.atoms, evaluate.base
    other = atoms.copy()
    other.positions[:, 0] += np.ptp(atoms.positions[:, 0]) + distance
    yield Expectation(atoms + other, Result(2 * base.energy, np.tile(base.forces, (2, 1))))


def extensivity(evaluate: Evaluator) -> list[PhysicsTest]:
    """Two far copies; an interaction that decays with the distance is physics, and is said to be that."""
    rows = compare("size-extensivity", evaluate, far_copies(evaluate, FAR), copies=2)
    if all(row.verdict == "pass" for row in rows):
        return rows
    further = compare("size-extensivity", evaluate, far_copies(evaluate, 2 * FAR), copies=2)
    if all(b.error <= max(a.error / 3, 3 * b.floor) for a, b in zip(rows, further, strict=True)):
        errors = f"{rows[0].error:.1e} eV/atom at {FAR:.0f} Å, {further[0].error:.1e} at {2 * FAR:.0f} Å"
        note = f"long-range interaction: {errors}"
        return [judged(r.name, r.quantity, r.error, r.floor, r.error, r.unit, note=note) for r in rows]
    return rows


Test = Callable[[], list[PhysicsTest]]


def invariance_tests(evaluate: Evaluator, seed: int, samples: int) -> dict[str, Test]:
    """Return the tests that apply to the structure, by name, in the order in which they run."""
    rng = np.random.default_rng(seed)
    torch_rng = torch.Generator().manual_seed(seed)
    tests: dict[str, Test] = {
        "rotation": lambda: compare("rotation", evaluate, rotated(evaluate, torch_rng, samples, improper=False)),
        "reflection": lambda: compare("reflection", evaluate, rotated(evaluate, torch_rng, samples, improper=True)),
        "translation": lambda: compare("translation", evaluate, translated(evaluate, rng, samples)),
        "permutation": lambda: compare("permutation", evaluate, permuted(evaluate, rng, 2 * samples)),
    }
    if evaluate.atoms.pbc.any():
        tests["wrapping"] = lambda: compare("wrapping", evaluate, wrapped(evaluate, rng, samples))
        tests["supercell"] = lambda: compare("supercell", evaluate, repeated(evaluate), copies=2)
    else:
        tests["size-extensivity"] = lambda: extensivity(evaluate)
    return tests
