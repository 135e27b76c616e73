"""How far rounding moves a calculator's numbers, and in which precision it computes them."""

from dataclasses import dataclass, field, replace

import numpy as np
from ase import Atoms
from jaxtyping import Float
from numpy import ndarray

from equishare.check.calculators.evaluator import Evaluator, Result, rms

STEPS = (1e-12, 1e-9, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
"""Relative changes of the positions that are tried for the first one that changes a number."""
DOUBLE = 1e-11
"""A calculator that sees smaller changes than this computes in float64."""
RUNS = 2
EVALUATIONS_FOR_NOISE = 52
"""About so many, for so many runs."""
LARGEST = 1e-5
"""Å; larger steps would bend energy and forces by more than the tolerances."""
ULPS = 4
SECOND = {-1: 1.0, 0: -2.0, 1: 1.0}
FOURTH = {-2: 1.0, -1: -4.0, 0: 6.0, 1: -4.0, 2: 1.0}
SAFE = 2.0
"""What was seen in a few draws may be so much smaller than what others show."""
ONE_NUMBER = 2.4
"""The second smallest of four draws of a single number is 0.41 of its standard deviation; of many numbers, nearly all of it."""
GRAINY = 0.03
"""Noise of so many float32 epsilons of the energy means that it was added up in float32."""
SMOOTH = 0.3
"""Differences over a step and over its half agree to this fraction where they are a function's and no noise."""
WIDE = 1e-3
"""Å; steps over which an energy moves by many grains of its last digit."""


@dataclass
class NoiseLevel:
    """How far rounding moves a calculator's numbers on one structure: rms of energy (eV), forces, stress, and the rest.

    Attributes:
        energy, forces, stress, further: the scatter.
        epsilon: the relative precision of the calculator's arithmetic.
        feels: the smallest change of the positions, in Å, that changed a number, of those that were tried.
    """

    energy: float = 0.0
    forces: float = 0.0
    stress: float = 0.0
    further: dict[str, float] = field(default_factory=dict)
    epsilon: float = float(np.finfo(np.float64).eps)
    feels: float = 0.0

    def farther(self, ratio: float) -> "NoiseLevel":
        """The noise where coordinates are so many times as large: they keep fewer digits behind the point."""
        ratio = max(ratio, 1.0)
        further = {name: ratio * value for name, value in self.further.items()}
        return replace(
            self, energy=ratio * self.energy, forces=ratio * self.forces, stress=ratio * self.stress, further=further
        )

    @property
    def precision(self) -> str:
        """The name of the number format that has this precision."""
        return "float64" if self.epsilon < DOUBLE else "float32"


def measure_noise(evaluate: Evaluator, seed: int, runs: int = RUNS) -> NoiseLevel:
    """Find the precision, and the scatter that rounding makes.

    The precision is probed: positions are changed by more and more until the first number changes. The scatter is what
    smoothness does not explain: second differences over steps of a few units of rounding, of the precision found and of
    float32 (part of a calculator may be in float32), with other structures visited in between, so that iterative
    calculators start from another guess; and fourth differences over steps of 1e-3 Å, over which rounding errors are drawn
    anew and an energy that is the sum of large numbers moves by many grains.
    """
    generator = np.random.default_rng(seed)
    extent = max(float(np.abs(evaluate.atoms.positions).max(initial=0.0)), 1.0)
    first, grain = _first_change(evaluate, extent, generator)
    single, double = float(np.finfo(np.float32).eps), float(np.finfo(np.float64).eps)
    epsilon = double if first < DOUBLE else single
    base = numbers_of(evaluate.base)
    seen = {name: epsilon * rms(value) for name, value in base.items()}
    for step in sorted({min(ULPS * max(first, 1e-15) * extent, LARGEST), min(ULPS * single * extent, LARGEST)}):
        for _ in range(runs):
            evaluate(_nearby(evaluate.atoms, generator))
            _raise(seen, _difference(evaluate, evaluate.atoms, SECOND, step, generator))
    around = [_nearby(evaluate.atoms, generator) for _ in range(2 * runs)]
    wide = [_rough(evaluate, centre, generator) for centre in around]
    # of four places, the worse half may have met a jump, which is no noise
    second_smallest = {
        name: sorted(w.get(name, 0.0) for w in wide)[1] * (ONE_NUMBER if base[name].size == 1 else 1.0) for name in base
    }
    _raise(seen, second_smallest)
    energy = SAFE * seen.pop("energy")
    if grain is None or energy > GRAINY * single * abs(evaluate.base.energy):
        # what was seen is a grain or none: sums in another order err by a few of them
        grain = max(epsilon, single if grain is not None else 0.0) * abs(evaluate.base.energy)
    forces, stress = SAFE * seen.pop("forces"), SAFE * seen.pop("stress", 0.0)
    further = {name: SAFE * value for name, value in seen.items()}
    return NoiseLevel(max(energy, 2 * grain), forces, stress, further, epsilon, first * extent)


def numbers_of(result: Result) -> dict[str, ndarray]:
    """All numbers of a result by name."""
    stress = {} if result.stress is None else {"stress": result.stress}
    return {"energy": np.array(result.energy), "forces": result.forces, **stress, **result.further}


def _raise(seen: dict[str, float], found: dict[str, float]) -> None:
    for name, value in found.items():
        seen[name] = max(seen.get(name, 0.0), value)


def _difference(
    evaluate: Evaluator, centre: Atoms, weights: dict[int, float], step: float, generator: np.random.Generator
) -> dict[str, float]:
    """Difference of every number over equidistant structures, per value: what is smooth leaves next to nothing."""
    u = step * generator.uniform(-1, 1, centre.positions.shape)
    at = {k: numbers_of(evaluate(_moved(centre, k * u))) for k in weights}
    names = set.intersection(*(set(numbers) for numbers in at.values()))
    size = float(np.sqrt(sum(w * w for w in weights.values())))
    return {name: rms(np.asarray(sum(w * at[k][name] for k, w in weights.items()))) / size for name in names}


def _rough(evaluate: Evaluator, centre: Atoms, generator: np.random.Generator) -> dict[str, float]:
    """Fourth differences over a wide step, per value; where they are a steep potential's, what is left of them.

    Over half the step those of a smooth function are a sixteenth, and noise is as large as before.
    """
    u = WIDE * generator.uniform(-1, 1, centre.positions.shape)
    at = {k: numbers_of(evaluate(_moved(centre, k * u))) for k in (-2, -1, -0.5, 0, 0.5, 1, 2)}
    found = {}
    for name in set.intersection(*(set(numbers) for numbers in at.values())):
        coarse, fine = (sum(w * at[k / n][name] for k, w in FOURTH.items()) for n in (1, 2))
        rest = np.asarray(coarse - 16 * fine)
        smooth = rms(rest) < SMOOTH * rms(np.asarray(coarse))
        found[name] = rms(rest) / np.sqrt(70 * 257) if smooth else rms(np.asarray(coarse)) / np.sqrt(70)
    return found


def _first_change(evaluate: Evaluator, extent: float, generator: np.random.Generator) -> tuple[float, float | None]:
    """Return the smallest relative change of the positions that changes a number, and how far the energy moves at first.

    None for the energy if it has not moved where the forces have, long since.
    """
    direction = generator.uniform(-1, 1, evaluate.atoms.positions.shape)
    first, base = 0.0, evaluate.base
    for step in STEPS:
        found = evaluate(_moved(evaluate.atoms, step * extent * direction))
        moved = abs(found.energy - base.energy)
        if not first and (moved > 0 or not np.array_equal(found.forces, base.forces)):
            first = step
        if moved > 0:
            return first, moved if step <= 1e-6 else None
    return first, None


def _nearby(atoms: Atoms, generator: np.random.Generator) -> Atoms:
    return _moved(atoms, 0.02 * generator.standard_normal(atoms.positions.shape))


def _moved(atoms: Atoms, by: Float[ndarray, "atoms 3"]) -> Atoms:
    new = atoms.copy()
    new.positions += by
    return new
