"""Forces and stress against finite differences of the energy."""

from collections.abc import Callable

import numpy as np

from equishare.check.calculators.evaluator import Evaluator
from equishare.check.calculators.noise import NoiseLevel
from equishare.check.reports.calculator_report import PhysicsTest, judged

FORCE_TOLERANCE = 1e-4
"""eV/Å: below this a difference between force and energy slope is too small to matter."""
STRESS_TOLERANCE = 1e-5
"""eV/Å^3."""


def slope(energy: Callable[[float], float], step: float, noise: float) -> tuple[float, float]:
    """Return dE/dx at 0 and its uncertainty, from five-point differences at two steps.

    The uncertainty adds what halving the step changes (truncation) and the energy's noise over the step
    (rounding).

    Example:
        >>> value, uncertainty = slope(np.sin, 0.02, 1e-16)
        >>> bool(abs(value - 1) < 1e-9 and uncertainty < 1e-7)
        True
    """
    at = {k: energy(k * step / 2) for k in (-4, -2, -1, 1, 2, 4)}
    coarse = (8 * (at[2] - at[-2]) - (at[4] - at[-4])) / (6 * (2 * step))
    fine = (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (6 * step)
    return fine, abs(coarse - fine) + 3 * noise / step


def worst(found: list[tuple[float, float]]) -> tuple[float, float]:
    """The pair (error, uncertainty) with the largest ratio; one that is no number goes before all others.

    Example:
        >>> worst([(1.0, 1.0), (3.0, 1.0), (2.0, 1.0)]), worst([(1.0, 1.0), (float("nan"), 1.0)])
        ((3.0, 1.0), (nan, 1.0))
    """
    return max(found, key=lambda pair: float(np.nan_to_num(pair[0] / max(pair[1], 1e-300), nan=np.inf)))


def _step(noise: float, scale: float) -> float:
    """Where truncation, about step^4, meets rounding, noise / step; within 0.002 to 0.05."""
    return float(np.clip((noise / max(scale, 1e-6)) ** 0.2, 0.002, 0.05))


def force_test(evaluate: Evaluator, noise: NoiseLevel, seed: int, samples: int) -> list[PhysicsTest]:
    """-dE/du against F u, for random unit displacements u of all atoms and of single atoms."""
    rng = np.random.default_rng(seed)
    n = len(evaluate.atoms)
    step = _step(noise.energy, float(np.abs(evaluate.base.forces).max(initial=1.0)))
    found = []
    for number in range(2 * samples):
        u = np.zeros((n, 3))
        chosen = slice(None) if number % 2 == 0 else int(rng.integers(n))
        u[chosen] = rng.standard_normal(u[chosen].shape)
        u /= np.linalg.norm(u)

        def energy(x: float, u: np.ndarray = u) -> float:
            moved = evaluate.atoms.copy()
            moved.positions += x * u
            return evaluate.energy(moved)

        measured, uncertainty = slope(energy, step, noise.energy)
        error = abs(-measured - float(np.sum(evaluate.base.forces * u)))
        found.append((error, max(uncertainty, noise.forces)))
    return [judged("energy slope", "forces", *worst(found), FORCE_TOLERANCE, "eV/Å")]


def stress_test(evaluate: Evaluator, noise: NoiseLevel, seed: int, samples: int) -> list[PhysicsTest]:
    """dE/dstrain / V against the stress for random symmetric strains, against the pressure for a change of volume."""
    stress = evaluate.base.stress
    if stress is None:
        return []
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(samples):
        strain = rng.standard_normal((3, 3))
        strain = (strain + strain.T) / 2
        found.append(_against_strain(evaluate, noise, stress, strain / np.linalg.norm(strain)))
    # p = -dE/dV, and dV/V is three times the strain of a length
    error, floor = _against_strain(evaluate, noise, stress, np.eye(3) / 3)
    asymmetry = float(np.abs(stress - stress.T).max())
    return [
        judged("energy slope", "stress", *worst(found), STRESS_TOLERANCE, "eV/Å³"),
        judged("energy slope", "pressure", error, floor, STRESS_TOLERANCE, "eV/Å³"),
        judged("symmetric stress", "stress", asymmetry, noise.stress, STRESS_TOLERANCE, "eV/Å³"),
    ]


def _against_strain(
    evaluate: Evaluator, noise: NoiseLevel, stress: np.ndarray, strain: np.ndarray
) -> tuple[float, float]:
    """Return how far the energy's slope along a strain is from the stress's component, and the uncertainty of that."""
    volume = evaluate.atoms.get_volume()
    step = _step(noise.energy, volume * float(np.abs(stress).max(initial=0.01))) / 2

    def energy(x: float) -> float:
        strained = evaluate.atoms.copy()
        strained.set_cell(evaluate.atoms.cell.array @ (np.eye(3) + x * strain), scale_atoms=True)
        return evaluate.energy(strained)

    found, uncertainty = slope(energy, step, noise.energy)
    return abs(found / volume - float(np.sum(stress * strain))), max(uncertainty / volume, noise.stress)
