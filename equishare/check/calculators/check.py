"""The check of a potential behind ASE's calculator interface."""

import time
from collections.abc import Callable

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from equishare.check.calculators.batching import batch_test
from equishare.check.calculators.derivatives import force_test, stress_test
from equishare.check.calculators.dynamics import STEPS, dynamics_test
from equishare.check.calculators.evaluator import Evaluator
from equishare.check.calculators.invariances import Test, invariance_tests
from equishare.check.calculators.smoothness import CANDIDATES, HALVINGS, POINTS, smoothness_test
from equishare.check.errors import CheckError
from equishare.check.models.precision import isolated_rng
from equishare.check.reports.calculator_report import CalculatorReport, PhysicsTest, could_not_run
from equishare.check.reports.report_base import duration
from equishare.check.reports.source import source_of

Progress = Callable[[float, str], None]


def calculator(
    calculator: BaseCalculator,
    atoms: Atoms,
    *,
    samples: int = 3,
    scan: bool = True,
    dynamics: bool = True,
    seed: int = 0,
    seconds: float | None = None,
    progress: Progress | None = None,
) -> CalculatorReport:
    """Check an ASE calculator against the laws of a potential, on one structure.

    Rotation, reflection, translation and permutation; for periodic structures wrapping and supercells, for
    others two far copies; forces and stress against finite differences of the energy; smoothness along a
    path on which neighbours cross the cutoff; conservation of energy in 50 fs of dynamics; a batch against
    single evaluations, where the calculator has `calculate_batch`. Each violation is judged by the
    calculator's own noise, which is measured first, and by a tolerance below which it does not matter (see
    docs/checker.md).

    Args:
        calculator: any ASE calculator.
        atoms: a structure it can evaluate, better not at a minimum (forces that vanish prove little); it is
            not changed.
        samples: transformations per law, and half the number of directions for finite differences.
        scan: test smoothness, about 250 evaluations.
        dynamics: test conservation of energy, about 300 evaluations.
        seed: of everything that is drawn.
        seconds: aim at an answer within so many seconds; scan and dynamics are left out where they do not fit.
        progress: called with the fraction done and what is being done; first of all with the expected cost.

    Raises:
        CheckError: the structure has no atoms.

    Example:
        >>> from ase.build import molecule
        >>> from ase.calculators.emt import EMT
        >>> report = calculator(EMT(), molecule("H2O"), scan=False, dynamics=False)
        >>> report.passed
        True
    """
    if len(atoms) == 0:
        raise CheckError("the structure has no atoms; give one that the calculator can evaluate")
    started = time.perf_counter()
    progress = progress or (lambda fraction, message: None)
    with isolated_rng():
        evaluate = Evaluator(calculator, atoms, seed)
        tests = _plan(evaluate, samples, scan, dynamics, seed)
        each = evaluate.typical_duration
        left = _evaluations(samples, scan, dynamics)
        progress(0.0, f"about {duration(each * left)}: {left} evaluations of {1e3 * each:.2g} ms")
        rows: list[PhysicsTest] = []
        for number, (name, test) in enumerate(tests.items()):
            progress(number / len(tests), name)
            try:
                rows += test()
            except Exception as error:
                # a calculator may refuse a structure; that is worth a line, not the end of the report
                rows.append(could_not_run(name, error))
    return CalculatorReport(
        calculator=type(calculator).__name__,
        structure=_describe(atoms),
        precision="float32" if evaluate.single_precision else "float64",
        noise={
            "energy": evaluate.noise.energy,
            "forces": evaluate.noise.forces,
            "stress": evaluate.noise.stress,
        },
        tests=rows,
        seed=seed,
        evaluations=evaluate.calls,
        seconds=time.perf_counter() - started,
        notes=_notes(evaluate, scan, dynamics),
        source=source_of(calculator),
    )


def _plan(evaluate: Evaluator, samples: int, scan: bool, dynamics: bool, seed: int) -> dict[str, Test]:
    tests = invariance_tests(evaluate, seed, samples)
    tests["energy slope, forces"] = lambda: force_test(evaluate, seed, samples)
    if evaluate.has_stress:
        tests["energy slope, stress"] = lambda: stress_test(evaluate, seed, samples)
    if scan:
        tests["smoothness"] = lambda: smoothness_test(evaluate, seed)
    if dynamics:
        tests["NVE drift"] = lambda: dynamics_test(evaluate, seed)
    tests["batch equals single"] = lambda: batch_test(evaluate, seed)
    return tests


def _evaluations(samples: int, scan: bool, dynamics: bool) -> int:
    return 24 * samples + scan * (POINTS + 4 * CANDIDATES * HALVINGS) + dynamics * (3 * STEPS + 2)


def _notes(evaluate: Evaluator, scan: bool, dynamics: bool) -> list[str]:
    notes = []
    if float(np.abs(evaluate.base.forces).max(initial=0.0)) < 1e-3:
        notes.append("all forces nearly vanish here: tests of forces prove little; give a distorted structure")
    if evaluate.atoms.pbc.any() and not evaluate.has_stress:
        notes.append("the calculator has no stress")
    left_out = [name for name, on in (("smoothness", scan), ("NVE drift", dynamics)) if not on]
    return notes + (["left out: " + ", ".join(left_out)] if left_out else [])


def _describe(atoms: Atoms) -> str:
    periodic = "".join(axis for axis, on in zip("xyz", atoms.pbc, strict=True) if on)
    return atoms.get_chemical_formula() + (f", periodic in {periodic}" if periodic else "")
