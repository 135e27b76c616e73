"""Laws that relate a calculator's values on two structures: moved, reordered, repeated."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from ase import Atoms
from jaxtyping import Float
from numpy import ndarray

from equishare.check.calculators.comparison import Expectation, compare
from equishare.check.calculators.evaluator import Evaluator
from equishare.check.calculators.noise import NoiseLevel
from equishare.check.calculators.properties import Change
from equishare.check.calculators.size_consistency import size_consistency
from equishare.check.reports.calculator_report import PhysicsTest
from equishare.groups import so3

Test = Callable[[], list[PhysicsTest]]


def rotated(evaluate: Evaluator, generator: torch.Generator, samples: int, improper: bool) -> Iterator[Expectation]:
    """Structures under random rotations (times the inversion): E' = E, F' = F R^T, sigma' = R sigma R^T."""
    for number in range(samples):
        R = so3().random(generator).numpy()
        R = -(np.eye(3) if number == 0 else R) if improper else R
        yield Expectation(turn(evaluate.atoms, R), evaluate.base.after(Change(R=R)))


def turn(atoms: Atoms, R: Float[ndarray, "3 3"]) -> Atoms:
    """Rotate positions, momenta and cell: r' = R r."""
    new = atoms.copy()
    new.set_cell(atoms.cell.array @ R.T)
    new.positions = atoms.positions @ R.T
    if atoms.has("momenta"):
        new.set_momenta(atoms.get_momenta() @ R.T)
    return new


def translated(evaluate: Evaluator, generator: np.random.Generator, samples: int) -> Iterator[Expectation]:
    """Structures moved by a few Å: nothing changes, but the dipole of an ion (see `conservation`)."""
    for _ in range(samples):
        new = evaluate.atoms.copy()
        new.positions += 3 * generator.standard_normal(3)
        yield Expectation(new, evaluate.base, skip=("dipole", "quadrupole"))


def permuted(evaluate: Evaluator, generator: np.random.Generator, samples: int) -> Iterator[Expectation]:
    """Atoms in another order: forces follow."""
    for _ in range(samples):
        order = generator.permutation(len(evaluate.atoms))
        order = np.roll(order, 1) if (order == np.arange(len(order))).all() else order  # the identity tests nothing
        yield Expectation(evaluate.atoms[order], evaluate.base.after(Change(order=order)))


def wrapped(evaluate: Evaluator, generator: np.random.Generator, samples: int) -> Iterator[Expectation]:
    """Atoms moved by lattice vectors: nothing changes."""
    atoms = evaluate.atoms
    for _ in range(samples):
        new = atoms.copy()
        jumps = generator.integers(-1, 2, (len(atoms), 3)) * atoms.pbc
        jumps[0] = jumps[0] if jumps.any() else atoms.pbc
        new.positions += jumps @ atoms.cell.array
        yield Expectation(new, evaluate.base, skip=("dipole", "quadrupole", "heat_flux"))


def repeated(evaluate: Evaluator) -> Iterator[Expectation]:
    """Supercells doubled along one periodic direction: energy doubles, forces repeat, stress stays."""
    # stresses of atoms are divided by the cell's volume by some, by the atom's by others
    skip = ("dipole", "quadrupole", "polarizability", "heat_flux", "energy_uncertainty", "stresses")
    for axis in np.flatnonzero(evaluate.atoms.pbc):
        repeats = [2 if i == axis else 1 for i in range(3)]
        yield Expectation(evaluate.atoms.repeat(repeats), evaluate.base.after(Change(copies=2)), skip)


def invariance_tests(evaluate: Evaluator, noise: NoiseLevel, seed: int, samples: int) -> dict[str, Test]:
    """Return the tests that apply to the structure, by name, in the order in which they run."""
    rng, torch_rng = np.random.default_rng(seed), torch.Generator().manual_seed(seed)

    def test(law: str, expectations: Callable[[], Iterator[Expectation]], copies: int = 1) -> Test:
        return lambda: compare(law, evaluate, noise, expectations(), copies=copies)

    tests = {
        "rotation": test("rotation", lambda: rotated(evaluate, torch_rng, samples, improper=False)),
        "reflection": test("reflection", lambda: rotated(evaluate, torch_rng, samples, improper=True)),
        "translation": test("translation", lambda: translated(evaluate, rng, samples)),
    }
    if len(evaluate.atoms) > 1:
        tests["permutation"] = test("permutation", lambda: permuted(evaluate, rng, 2 * samples))
    if evaluate.atoms.pbc.any():
        tests["wrapping"] = test("wrapping", lambda: wrapped(evaluate, rng, samples))
        tests["supercell"] = test("supercell", lambda: repeated(evaluate), copies=2)
    else:
        tests["size-consistency"] = lambda: size_consistency(evaluate, noise, seed)
    return tests
