"""Evaluating an ASE calculator, and how noisy it is."""

import statistics
import time
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, PropertyNotImplementedError
from jaxtyping import Float
from numpy import ndarray


@dataclass
class Result:
    """Energy (eV), forces (eV/Å) and, where the calculator has it, stress (eV/Å^3, ASE's sign, 3x3)."""

    energy: float
    forces: Float[ndarray, "atoms 3"]
    stress: Float[ndarray, "3 3"] | None = None

    @property
    def finite(self) -> bool:
        """Whether every number is."""
        parts = [np.array(self.energy), self.forces, *([] if self.stress is None else [self.stress])]
        return all(bool(np.isfinite(p).all()) for p in parts)


@dataclass
class NoiseLevel:
    """How far a calculator's numbers scatter on one structure: rms of energy (eV), forces and stress."""

    energy: float
    forces: float
    stress: float


class Evaluator:
    """A calculator with a structure to start from.

    Args:
        calculator: any ASE calculator.
        atoms: the structure; it is copied, and left without a calculator.
        seed: of the perturbations that measure the noise.
    """

    def __init__(self, calculator: BaseCalculator, atoms: Atoms, seed: int = 0) -> None:
        self.calculator = calculator
        self.atoms = atoms.copy()
        self.atoms.set_constraint()
        self.calls = 0
        self.durations: list[float] = []
        self.has_stress = bool(atoms.pbc.any()) and atoms.cell.rank == 3
        self.base = self(self.atoms)
        self.single_precision = self._is_single()
        self.noise = self._measure_noise(np.random.default_rng(seed))

    def __call__(self, atoms: Atoms) -> Result:
        """Evaluate a structure."""
        started = time.perf_counter()
        atoms = atoms.copy()
        atoms.calc = self.calculator
        energy = float(atoms.get_potential_energy())
        forces = np.array(atoms.get_forces(), dtype=np.float64)
        stress = None
        if self.has_stress:
            try:
                stress = np.array(atoms.get_stress(voigt=False), dtype=np.float64)
            except (PropertyNotImplementedError, NotImplementedError):
                self.has_stress = False
        self.calls += 1
        self.durations.append(time.perf_counter() - started)
        return Result(energy, forces, stress)

    @property
    def typical_duration(self) -> float:
        """Seconds of an evaluation; the first one, which may compile and allocate, does not count."""
        return statistics.median(self.durations[1:] or self.durations)

    def energy(self, atoms: Atoms) -> float:
        """Energy of a structure, in eV."""
        return self(atoms).energy

    def _is_single(self) -> bool:
        """Numbers that float32 can hold exactly come from float32 arithmetic."""
        forces = self.base.forces
        return forces.size > 0 and bool(np.any(forces)) and bool((forces.astype(np.float32) == forces).all())

    def _measure_noise(self, generator: np.random.Generator, runs: int = 4) -> NoiseLevel:
        """Visit other structures, come back with positions rounded differently, and look at the scatter.

        The detour makes iterative calculators start from another guess; the rounding moves positions by a
        few of the calculator's own epsilons.
        """
        epsilon = float(np.finfo(np.float32 if self.single_precision else np.float64).eps)
        extent = max(float(np.abs(self.atoms.positions).max(initial=0.0)), 1.0)
        energies, forces, stresses = [0.0], [0.0], [0.0]
        for _ in range(runs):
            detour = self.atoms.copy()
            detour.positions += 0.02 * generator.standard_normal(detour.positions.shape)
            self(detour)
            back = self.atoms.copy()
            back.positions += epsilon * extent * generator.uniform(-1, 1, back.positions.shape)
            result = self(back)
            energies.append(abs(result.energy - self.base.energy))
            forces.append(rms(result.forces - self.base.forces))
            if result.stress is not None and self.base.stress is not None:
                stresses.append(rms(result.stress - self.base.stress))
        stress = rms(self.base.stress) if self.base.stress is not None else 0.0
        # energies of single atoms are often added in float64 to a sum in float32
        single = float(np.float32(self.base.energy)) == self.base.energy
        last_digit = float(np.finfo(np.float32 if single else np.float64).eps)
        return NoiseLevel(
            max(*energies, last_digit * abs(self.base.energy)),
            max(*forces, epsilon * rms(self.base.forces)),
            max(*stresses, epsilon * stress),
        )


def rms(x: ndarray) -> float:
    """Root mean square, 0 for an empty array."""
    return float(np.sqrt(np.mean(np.square(x)))) if np.size(x) else 0.0
