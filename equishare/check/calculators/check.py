"""The check of a potential behind ASE's calculator interface."""

from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from equishare.check.calculators.conservation import conservation_tests
from equishare.check.calculators.derivatives import force_test, stress_test
from equishare.check.calculators.determinism import determinism_test, rounding_test, without_excuse
from equishare.check.calculators.dynamics import STEPS, dynamics_test
from equishare.check.calculators.evaluator import Evaluator
from equishare.check.calculators.invariances import Test, invariance_tests
from equishare.check.calculators.noise import EVALUATIONS_FOR_NOISE, RUNS, NoiseLevel, measure_noise
from equishare.check.calculators.options import CalculatorOptions
from equishare.check.calculators.same_everywhere import against_test, batch_test, pickle_test, thread_test
from equishare.check.calculators.smoothness import EVALUATIONS, smoothness_tests
from equishare.check.errors import CheckError
from equishare.check.models.precision import isolated_rng
from equishare.check.reports.calculator_report import CalculatorReport, PhysicsTest, could_not_run
from equishare.check.reports.report_base import duration
from equishare.check.reports.source import source_of
from equishare.check.reports.verdict import Verdict
from equishare.clock import Clock

K_POINTS = (
    "the supercell law fails, wrapping does not: a method that samples the Brillouin zone at a few k-points gives a "
    "repeated cell other energies. Take more k-points, or a larger cell, before you look for a bug"
)


def calculator(calculator: BaseCalculator, atoms: Atoms, **options: Any) -> CalculatorReport:
    """Check an ASE calculator against the laws of a potential, on one structure.

    Determinism; rotation, reflection, translation and permutation; for periodic structures wrapping and supercells, for
    others two far molecules; forces, stress and pressure against finite differences of the energy; laws of charges,
    dipoles, heat flux and uncertainties where there are any; the same numbers in a batch and alone, after pickling and in
    a thread; smoothness along a ray, a bond, an angle and a torsion; conservation of energy in 50 fs of dynamics. Each
    violation is judged by the calculator's own rounding, which is measured first, and by a tolerance below which it does
    not matter (see docs/guides/checker.md).

    Args:
        calculator: any ASE calculator.
        atoms: a structure it can evaluate, better not at a minimum (forces that vanish prove little); it is
            not changed.
        **options: those of `CalculatorOptions`: samples, scan, dynamics, seed, seconds, against, progress.

    Raises:
        CheckError: the structure has no atoms, or there is no such option.

    Example:
        >>> from ase.build import molecule
        >>> from ase.calculators.emt import EMT
        >>> report = calculator(EMT(), molecule("H2O"), scan=False, dynamics=False)
        >>> report.passed
        True
    """
    chosen = CalculatorOptions.of(options)
    if len(atoms) == 0:
        raise CheckError("the structure has no atoms; give one that the calculator can evaluate")
    clock = Clock()
    with isolated_rng():
        evaluate = Evaluator(calculator, atoms)
        each = evaluate.typical_duration
        slow = chosen.seconds is not None and 4 * each * EVALUATIONS_FOR_NOISE > chosen.seconds
        for_noise = EVALUATIONS_FOR_NOISE // (1 + slow)
        spent = clock.seconds + each * for_noise
        chosen, left_out = _affordable(chosen, each, spent)
        left = for_noise + evaluations(chosen)
        chosen.progress(0.0, f"about {duration(each * left)}: {left} evaluations of {1e3 * each:.2g} ms")
        noise = measure_noise(evaluate, chosen.seed, runs=1 if slow else RUNS)
        tests = _plan(evaluate, noise, chosen)
        rows: list[PhysicsTest] = []
        for number, (name, test) in enumerate(tests.items()):
            chosen.progress(number / len(tests), name)
            try:
                rows += test()
            except Exception as error:
                # a calculator may refuse a structure; that is worth a line, not the end of the report
                rows.append(could_not_run(name, error))
    without_excuse(rows)
    return CalculatorReport(
        calculator=type(calculator).__name__,
        structure=_describe(atoms),
        precision=noise.precision,
        noise={"energy": noise.energy, "forces": noise.forces, "stress": noise.stress, **noise.further},
        tests=rows,
        seed=chosen.seed,
        evaluations=evaluate.calls,
        seconds=clock.seconds,
        notes=[*evaluate.notes, *_notes(evaluate, rows), *(["left out: " + ", ".join(left_out)] if left_out else [])],
        source=source_of(calculator),
    )


def _plan(evaluate: Evaluator, noise: NoiseLevel, options: CalculatorOptions) -> dict[str, Test]:
    """Return the tests in the order in which they run."""
    seed, samples, other = options.seed, options.samples, options.against
    tests: dict[str, Test] = {
        "determinism": lambda: determinism_test(evaluate, noise, seed),
        "rounding": lambda: rounding_test(evaluate, noise),
    }
    tests |= invariance_tests(evaluate, noise, seed, samples)
    tests["energy slope, forces"] = lambda: force_test(evaluate, noise, seed, samples)
    if evaluate.has_stress:
        tests["energy slope, stress"] = lambda: stress_test(evaluate, noise, seed, samples)
    tests["laws of further properties"] = lambda: conservation_tests(evaluate, noise, seed)
    tests["batch equals single"] = lambda: batch_test(evaluate, noise, seed)
    tests["after pickling"] = lambda: pickle_test(evaluate, noise)
    tests["in a thread"] = lambda: thread_test(evaluate, noise)
    if other is not None:
        tests["the other calculator"] = lambda: against_test(evaluate, noise, other)
    if options.scan:
        tests["smoothness"] = lambda: smoothness_tests(evaluate, noise, seed)
    if options.dynamics:
        tests["NVE drift"] = lambda: dynamics_test(evaluate, noise, seed)
    return tests


def evaluations(options: CalculatorOptions) -> int:
    """About how often a check asks the calculator, beside what it takes to measure its noise.

    Example:
        >>> evaluations(CalculatorOptions(scan=False, dynamics=False))
        92
    """
    return 20 + 24 * options.samples + options.scan * EVALUATIONS + options.dynamics * (3 * STEPS + 2)


def _affordable(options: CalculatorOptions, each: float, spent: float) -> tuple[CalculatorOptions, list[str]]:
    """Leave out what the time does not allow: dynamics first, then scans, then repetitions; say what was."""
    wanted = [name for name, on in (("smoothness", options.scan), ("NVE drift", options.dynamics)) if not on]
    left = float("inf") if options.seconds is None else options.seconds - spent
    fewer: list[dict[str, Any]] = [
        {},
        {"dynamics": False},
        {"dynamics": False, "scan": False},
        {"dynamics": False, "scan": False, "samples": 1},
    ]
    for change in fewer:
        chosen = CalculatorOptions(**{**vars(options), **change})
        if each * evaluations(chosen) <= left:
            break
    names = [name for name, on in (("smoothness", chosen.scan), ("NVE drift", chosen.dynamics)) if not on]
    too_long = [f"{name} (no time)" if name not in wanted else name for name in names]
    return chosen, too_long


def _notes(evaluate: Evaluator, rows: list[PhysicsTest]) -> list[str]:
    notes = []
    if float(np.abs(evaluate.base.forces).max(initial=0.0)) < 1e-3:
        notes.append("all forces nearly vanish here: tests of forces prove little; give a distorted structure")
    if evaluate.atoms.pbc.any() and not evaluate.has_stress:
        notes.append("the calculator has no stress")
    drifting = any(row.name == "NVE drift" and row.verdict is not Verdict.PASS for row in rows)
    slopes = [row for row in rows if row.name == "energy slope" and row.quantity == "forces"]
    if drifting and all(row.verdict is Verdict.PASS and row.error > row.floor for row in slopes):
        notes.append(
            "the energy drifts by forces that miss its slope by a little: a method that iterates must converge further"
        )
    failing = {row.name for row in rows if row.verdict is Verdict.FAIL}
    if "supercell" in failing and not failing & {"wrapping", "permutation", "rotation", "determinism"}:
        notes.append(K_POINTS)
    return notes


def _describe(atoms: Atoms) -> str:
    periodic = "".join(axis for axis, on in zip("xyz", atoms.pbc, strict=True) if on)
    return atoms.get_chemical_formula() + (f", periodic in {periodic}" if periodic else "")
