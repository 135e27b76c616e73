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
LARGEST = 1e-5
"""Å; larger steps would bend energy and forces by more than the tolerances."""
ULPS = 4
GRAINY = 0.03
"""Noise of so many float32 epsilons of the energy means that it was added up in float32."""
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


def measure_noise(evaluate: Evaluator, seed: int) -> NoiseLevel:
    """Find the precision, and the scatter that rounding makes.

    The precision is probed: positions are changed by more and more until the first number changes. The scatter is the
    second difference f(x + d) + f(x - d) - 2 f(x) over steps d of a few units of rounding, of the precision found and of
    float32 (part of a calculator may be in float32): forces and curvature add nothing to it that matters. Between the
    steps other structures are visited, so that iterative calculators start from another guess. Energies are looked at
    over wider steps too: the sum of large numbers moves in grains.
    """
    generator = np.random.default_rng(seed)
    extent = max(float(np.abs(evaluate.atoms.positions).max(initial=0.0)), 1.0)
    first, grain = _first_change(evaluate, extent, generator)
    single, double = float(np.finfo(np.float32).eps), float(np.finfo(np.float64).eps)
    epsilon = double if first < DOUBLE else single
    noise = NoiseLevel(epsilon=epsilon, feels=first * extent)
    base = evaluate.base
    steps = {
        min(ULPS * max(first, 1e-15) * extent, LARGEST),
        min(ULPS * float(np.finfo(np.float32).eps) * extent, LARGEST),
    }
    for step in sorted(steps):
        for _ in range(RUNS):
            evaluate(_moved(evaluate.atoms, 0.02 * generator.standard_normal(evaluate.atoms.positions.shape)))
            u = step * generator.uniform(-1, 1, evaluate.atoms.positions.shape)
            _include(noise, base, evaluate(_moved(evaluate.atoms, u)), evaluate(_moved(evaluate.atoms, -u)))
    # an energy that moves in grains of its own last digit may not move at all under such small steps
    # of which the larger half may have met a jump, which is no noise
    noise.energy = max(noise.energy, sorted(_graininess(evaluate, generator) for _ in range(2 * RUNS))[RUNS - 1])
    if grain is None or noise.energy > GRAINY * single * abs(base.energy):
        # what was seen is a grain or none: sums in another order err by a few of them
        grain = max(epsilon, single if grain is not None else 0.0) * abs(base.energy)
    noise.energy = max(noise.energy, 2 * grain)
    noise.forces = max(noise.forces, epsilon * rms(base.forces))
    noise.stress = max(noise.stress, epsilon * rms(base.stress) if base.stress is not None else 0.0)
    for name, value in base.further.items():
        noise.further[name] = max(noise.further.get(name, 0.0), epsilon * rms(value))
    return noise


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


def _graininess(evaluate: Evaluator, generator: np.random.Generator) -> float:
    """Fourth difference of the energy over steps of 1e-3 Å, per value: smooth parts, of order step^4, leave 1e-8 eV."""
    u = WIDE * generator.uniform(-1, 1, evaluate.atoms.positions.shape)
    weights = {-2: 1.0, -1: -4.0, 0: 6.0, 1: -4.0, 2: 1.0}
    energies = {k: evaluate.base.energy if k == 0 else evaluate.energy(_moved(evaluate.atoms, k * u)) for k in weights}
    return abs(sum(w * energies[k] for k, w in weights.items())) / float(np.sqrt(sum(w * w for w in weights.values())))


def _include(noise: NoiseLevel, base: Result, plus: Result, minus: Result) -> None:
    def scatter(a: ndarray | float, b: ndarray | float, c: ndarray | float) -> float:
        return rms(np.asarray(a) + np.asarray(b) - 2 * np.asarray(c)) / 2

    noise.energy = max(noise.energy, scatter(plus.energy, minus.energy, base.energy))
    noise.forces = max(noise.forces, scatter(plus.forces, minus.forces, base.forces))
    if base.stress is not None and plus.stress is not None and minus.stress is not None:
        noise.stress = max(noise.stress, scatter(plus.stress, minus.stress, base.stress))
    for name in base.further.keys() & plus.further.keys() & minus.further.keys():
        found = scatter(plus.further[name], minus.further[name], base.further[name])
        noise.further[name] = max(noise.further.get(name, 0.0), found)


def _moved(atoms: Atoms, by: Float[ndarray, "atoms 3"]) -> Atoms:
    new = atoms.copy()
    new.positions += by
    return new
