"""Smoothness of energy and forces along paths on which pairs cross the cutoff, come into contact, bend and turn."""

import numpy as np

from equishare.check.calculators.evaluator import Evaluator
from equishare.check.calculators.jumps import Scan, find_jumps
from equishare.check.calculators.noise import NoiseLevel
from equishare.check.calculators.paths import Path, paths_of
from equishare.check.reports.calculator_report import PhysicsTest, judged
from equishare.check.reports.curves import Curve

EVALUATIONS = 320
"""About so many."""
ENERGY_TOLERANCE = 1e-5
"""eV: a smaller jump is too small to matter."""
FORCE_TOLERANCE = 1e-3
"""eV/Å."""
NOISY = 4.0
"""What is below so many units of noise is not looked into."""


def smoothness_tests(evaluate: Evaluator, noise: NoiseLevel, seed: int) -> list[PhysicsTest]:
    """Scan a ray, a bond, an angle and a torsion for jumps of the energy and of the force along the path.

    A potential whose energy jumps where a neighbour crosses the cutoff does not conserve energy; where the
    force jumps, integrators lose their order. A path that the calculator refuses is noted.

    Raises:
        Exception: the calculator's own, where it refuses every path: nothing was tested then.
    """
    rows: list[PhysicsTest] = []
    refusal: Exception | None = None
    for path in paths_of(evaluate.atoms, seed):
        try:
            rows += _scanned(path, evaluate, noise)
        except Exception as error:
            refusal, first_line = error, (str(error).splitlines() or [""])[0]
            evaluate.notes.append(f"smoothness along {path.name} not tested: {type(error).__name__}: {first_line}")
    if refusal is not None and not rows:
        raise refusal
    return rows


def _scanned(path: Path, evaluate: Evaluator, noise: NoiseLevel) -> list[PhysicsTest]:
    def values(x: float) -> tuple[float, float]:
        atoms = evaluate.atoms.copy()
        atoms.positions = path.positions(x)
        result = evaluate(atoms)
        return result.energy, float(np.sum(result.forces * path.tangent(x)))

    lever = float(np.linalg.norm(path.tangent(path.span[0])))
    noises = (noise.energy, np.sqrt(3 * len(evaluate.atoms)) * lever * noise.forces)
    # a fourth difference is eight times as noisy as a value
    thresholds = (
        max(ENERGY_TOLERANCE, NOISY * noises[0]),
        max(FORCE_TOLERANCE * max(lever, 1.0), 8 * NOISY * noises[1]),
    )
    scan = find_jumps(values, path.span, path.groups, thresholds)
    force_unit = "eV/Å" if path.unit == "Å" else "eV/rad"
    rows = [
        _row(scan, 0, f"energy along {path.name}", noises[0], ENERGY_TOLERANCE, "eV", path.unit),
        _row(scan, 1, f"force along {path.name}", noises[1], FORCE_TOLERANCE * max(lever, 1.0), force_unit, path.unit),
    ]
    x = scan.x
    rows[0].curve = Curve(
        path.name,
        f"displacement ({path.unit})",
        x,
        {"energy (eV)": scan.energy, f"force along it ({force_unit})": scan.force},
        [jump.x for jump in scan.jumps],
    )
    return rows


def _row(scan: Scan, column: int, quantity: str, noise: float, tolerance: float, unit: str, length: str) -> PhysicsTest:
    sizes = [(jump.energy, jump.force)[column] for jump in scan.jumps]
    worst = float(np.max(sizes, initial=0.0))  # a NaN stays
    row = judged("smoothness", quantity, worst, noise, tolerance, unit)
    if row.verdict != "pass":
        row.note = f"jumps at {scan.jumps[int(np.argmax(sizes))].x:.6f} {length}"
    elif scan.unresolved[column] > tolerance:
        row.note = f"jumps below {scan.unresolved[column]:.1e} {unit} may be there: too steep to resolve"
    return row
