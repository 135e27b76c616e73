"""The same structure has the same numbers, whatever was calculated before, and nearly the same ones nearby."""

from collections.abc import Iterator

import numpy as np
from ase import Atoms

from equishare.check.calculators.comparison import ENERGY_TOLERANCE, FORCE_TOLERANCE, Violation, rows_of
from equishare.check.calculators.evaluator import Evaluator, Result
from equishare.check.calculators.noise import ULPS, NoiseLevel
from equishare.check.reports.calculator_report import PhysicsTest, judged
from equishare.check.reports.verdict import Verdict

LAW = "determinism"
UNSEEN = (
    "a structure with the positions of the last one, in another cell or of other elements, gives other numbers than later: "
    "what is new is told by the positions alone"
)
REPEATED = 3.0
"""The same numbers may differ by so many units of rounding (ten fail, as everywhere)."""
REPEATING = ("after pickling", "in a thread", "batch equals single", "the other calculator")
"""Laws that ask for the same numbers again."""
COARSE = 1e-5
"""Å: smaller changes of the positions than this need not be felt."""
ROUGH = 1e3
"""Rounding may move forces by so many float32 epsilons of the largest one."""


def determinism_test(evaluate: Evaluator, noise: NoiseLevel, seed: int) -> list[PhysicsTest]:
    """Evaluate the structure again, at once and after very different ones.

    The numbers may differ by a few units of rounding, or by less than the tolerances. A calculator that starts from its
    last solution differs by what its convergence leaves, which is no excuse: it is named.
    """
    violation, twice = Violation(), Violation()
    evaluate.forget()
    first = evaluate(evaluate.atoms)
    evaluate.forget()
    twice.include(evaluate(evaluate.atoms), first)
    violation.include(first, evaluate.base)
    for other in very_different(evaluate.atoms, seed):
        try:
            evaluate(other)
        except Exception:
            continue
        evaluate.forget()
        violation.include(evaluate(evaluate.atoms), evaluate.base)
    at_once = twice.largest >= 0.1 * violation.largest
    unseen = Violation()
    for pair in _in_one_respect(evaluate, seed):
        unseen.include(*pair)
    why = "the same structure gives other numbers " + ("each time" if at_once else "after another one was calculated")
    iterative = "" if at_once else ": it remembers, or iterates from its last solution and stops too early"
    rows = _noted(rows_of(LAW, violation, exact_noise(evaluate.base, noise)), why + iterative)
    if all(row.verdict is Verdict.PASS for row in rows) and unseen.largest > violation.largest:
        return _noted(rows_of(LAW, unseen, exact_noise(evaluate.base, noise)), UNSEEN)
    return rows


def _noted(rows: list[PhysicsTest], note: str) -> list[PhysicsTest]:
    for row in rows:
        if row.verdict is not Verdict.PASS and not row.note:
            row.note = note
    return rows


def _in_one_respect(evaluate: Evaluator, seed: int) -> Iterator[tuple[Result, Result]]:
    """Structures that differ from the given one in one respect, evaluated just after it and after very different ones.

    A calculator that looks at positions alone, to see what is new, does not notice another cell or other elements.
    """
    apart = very_different(evaluate.atoms, seed)[-1]
    for other in _with_other_cell(evaluate.atoms), _with_other_elements(evaluate.atoms):
        if other is None:
            continue
        try:
            found = []
            for before in evaluate.atoms, apart:
                evaluate.forget()
                evaluate(before)
                found.append(evaluate(other))
        except Exception:
            continue
        yield found[0], found[1]


def _with_other_cell(atoms: Atoms) -> Atoms | None:
    if not atoms.pbc.any() or atoms.cell.rank < 3:
        return None
    other = atoms.copy()
    other.set_cell(1.01 * atoms.cell.array)
    return other


def _with_other_elements(atoms: Atoms) -> Atoms | None:
    turned = np.roll(atoms.numbers, 1)
    if (turned == atoms.numbers).all():
        return None
    other = atoms.copy()
    other.set_atomic_numbers(turned)
    return other


def exact_noise(base: Result, noise: NoiseLevel) -> NoiseLevel:
    """What rounding alone may change where nothing changed: sums in another order."""
    epsilon = REPEATED * noise.epsilon
    return NoiseLevel(
        energy=epsilon * abs(base.energy),
        forces=epsilon * float(np.abs(base.forces).max(initial=0.0)),
        stress=0.0 if base.stress is None else epsilon * float(np.abs(base.stress).max()),
        further={name: epsilon * float(np.abs(v).max(initial=0.0)) for name, v in base.further.items()},
        epsilon=noise.epsilon,
    )


def very_different(atoms: Atoms, seed: int) -> list[Atoms]:
    """Structures of another size and composition, and one whose atoms moved far; all of elements that are there."""
    generator = np.random.default_rng(seed)
    far = atoms.copy()
    far.positions += 0.15 * generator.standard_normal(far.positions.shape)
    far.set_atomic_numbers(generator.permutation(far.numbers))
    if far.cell.rank == 3:
        far.set_cell(1.05 * far.cell.array, scale_atoms=True)
    fewer = far[: max(1, (2 * len(far)) // 3)]
    return [fewer, far] if len(fewer) < len(far) else [far]


def rounding_test(evaluate: Evaluator, noise: NoiseLevel) -> list[PhysicsTest]:
    """Numbers that jump when positions change in their last digits: noise of its own kind, which excuses nothing."""
    epsilon, base, n = float(np.finfo(np.float32).eps), evaluate.base, len(evaluate.atoms)
    largest = float(np.abs(base.forces).max(initial=0.0))
    energy = ROUGH * epsilon * max(abs(base.energy), n * largest)
    rows = [
        judged("rounding", "energy", noise.energy / n, energy / n, ENERGY_TOLERANCE, "eV/atom"),
        judged("rounding", "forces", noise.forces, ROUGH * epsilon * max(largest, 1.0), FORCE_TOLERANCE, "eV/Å"),
    ]
    extent = max(float(np.abs(evaluate.atoms.positions).max()), 1.0)
    coarse = judged("rounding", "positions", noise.feels, ULPS * epsilon * extent, COARSE, "Å")
    if coarse.verdict is not Verdict.PASS:
        coarse.note = f"no number changes before positions change by {noise.feels:.0e} Å: they are rounded"
    for row in rows:
        if row.verdict is Verdict.FAIL and row.error < 100 * row.tolerance:
            row.verdict = Verdict.UNDECIDED
        if row.verdict is not Verdict.PASS:
            row.note = "changes by this much when positions change in their last digits"
    return [*rows, coarse]


def without_excuse(rows: list[PhysicsTest]) -> None:
    """Where the calculator is not deterministic, or noisy beyond rounding, what passes by its noise alone is undecided.

    Copies and threads, which cannot give the same numbers either, are not accused of it.
    """
    scattering = {r.quantity for r in rows if r.name == LAW and r.verdict is not Verdict.PASS}
    noisy = any(r.verdict is not Verdict.PASS for r in rows if r.name in (LAW, "rounding"))
    for row in rows:
        if row.name in REPEATING and row.quantity in scattering and row.verdict is Verdict.FAIL:
            row.verdict, row.note = Verdict.UNDECIDED, "the calculator is not deterministic"
        if noisy and row.verdict is Verdict.PASS and row.error > row.tolerance:
            row.verdict = Verdict.UNDECIDED
            row.note = "hidden by the calculator's noise, which is large itself"
