"""Evaluating an ASE calculator on structures."""

import contextlib
import statistics
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, PropertyNotImplementedError
from jaxtyping import Float
from numpy import ndarray

from equishare.check.calculators.properties import (
    FORCES,
    KINDS,
    STRESS,
    Change,
    Further,
    as_array,
    kind_of,
)
from equishare.check.errors import CheckError
from equishare.clock import Clock

_REFUSALS = (PropertyNotImplementedError, NotImplementedError)


@dataclass
class Result:
    """Energy (eV), forces (eV/Å), where the calculator has it stress (eV/Å^3, ASE's sign, 3x3), and what else it gives."""

    energy: float
    forces: Float[ndarray, "atoms 3"]
    stress: Float[ndarray, "3 3"] | None = None
    further: Further = field(default_factory=dict)

    @property
    def finite(self) -> bool:
        """Whether every number is."""
        parts = [np.array(self.energy), self.forces, *([] if self.stress is None else [self.stress])]
        return all(bool(np.isfinite(p).all()) for p in (*parts, *self.further.values()))

    def after(self, change: Change) -> "Result":
        """What the values must be after a change of the structure."""
        further = {
            name: change.apply(value, kind)
            for name, value in self.further.items()
            if (kind := kind_of(name, value.shape, len(self.forces))) is not None
        }
        stress = None if self.stress is None else change.apply(self.stress, STRESS)
        return Result(change.copies * self.energy, change.apply(self.forces, FORCES), stress, further)


class Evaluator:
    """A calculator with a structure to start from.

    The energy is the one that the forces are derivatives of (ASE's `free_energy`) where the calculator tells them apart.

    Args:
        calculator: any ASE calculator.
        atoms: the structure; it is copied, and left without a calculator and constraints.

    Attributes:
        calls: how often the calculator was asked.
        notes: remarks for the report.
    """

    def __init__(self, calculator: BaseCalculator, atoms: Atoms) -> None:
        self.calculator = calculator
        self.atoms = atoms.copy()
        self.atoms.set_constraint()
        self.calls = 0
        self.durations: list[float] = []
        self.notes: list[str] = []
        self.has_stress = bool(atoms.pbc.any()) and atoms.cell.rank == 3
        self.two_energies = False
        self.wanted = [n for n in getattr(calculator, "implemented_properties", ()) if _is_further(n)]
        if "heat_flux" in self.wanted and not self.atoms.get_momenta().any():
            self.atoms.set_momenta(np.random.default_rng(0).standard_normal((len(atoms), 3)))
        self.two_energies = self._has_two_energies()
        self.base = self(self.atoms)

    def __call__(self, atoms: Atoms) -> Result:
        """Evaluate a structure."""
        return self.with_calculator(self.calculator, atoms)

    def with_calculator(self, calculator: BaseCalculator, atoms: Atoms) -> Result:
        """Evaluate a structure with another calculator of the same kind."""
        clock = Clock()
        atoms = atoms.copy()
        atoms.calc = calculator
        energy, further = self._energy(atoms)
        try:
            forces = np.array(atoms.get_forces(), dtype=np.float64)
        except _REFUSALS as error:
            raise CheckError(
                "the calculator gives no forces; the laws of a potential need energy and forces"
            ) from error
        stress = None
        if self.has_stress:
            try:
                stress = np.array(atoms.get_stress(voigt=False), dtype=np.float64)
            except _REFUSALS:
                self.has_stress = False
        further |= self._further(calculator, atoms)
        self.calls += 1
        self.durations.append(clock.seconds)
        return Result(energy, forces, stress, further)

    def _energy(self, atoms: Atoms) -> tuple[float, Further]:
        plain = _one_number(atoms.get_potential_energy())
        if not self.two_energies:
            return plain, {}
        consistent = _one_number(atoms.get_potential_energy(force_consistent=True))
        return consistent, {"energy at zero smearing": np.array(plain)}

    def _has_two_energies(self) -> bool:
        atoms = self.atoms.copy()
        atoms.calc = self.calculator
        plain = atoms.get_potential_energy()
        try:
            return bool(atoms.get_potential_energy(force_consistent=True) != plain)
        except _REFUSALS:
            return False

    def _further(self, calculator: BaseCalculator, atoms: Atoms) -> Further:
        found: Further = {}
        for name in list(self.wanted):
            try:
                value = calculator.get_property(name, atoms)
            except Exception:
                self.wanted.remove(name)
                continue
            numbers = np.asarray(value) if value is not None else np.zeros(0, dtype=object)
            kind = kind_of(name, numbers.shape, len(atoms)) if numbers.dtype.kind in "fiu" else None
            if kind is not None:
                found[name] = as_array(numbers, kind)
            else:
                self.wanted.remove(name)
                self.notes.append(f"not tested: {name}, whose kind is not known")
        return found

    def forget(self) -> None:
        """Make the calculator compute the same structure again; a calculator that cannot is left as it is."""
        with contextlib.suppress(Exception):
            self.calculator.reset()  # type: ignore[attr-defined]

    @property
    def typical_duration(self) -> float:
        """Seconds of an evaluation; the first one, which may compile and allocate, does not count."""
        return statistics.median(self.durations[1:] or self.durations)

    def energy(self, atoms: Atoms) -> float:
        """Energy of a structure, in eV."""
        return self(atoms).energy


def _one_number(energy: Any) -> float:
    """The energy as a number; an array that holds one is taken too, as many calculators return."""
    if np.size(energy) != 1:
        raise CheckError(f"the energy should be one number, got an array of shape {np.shape(energy)}")
    return float(np.reshape(energy, ()))


def _is_further(name: str) -> bool:
    return name in KINDS or kind_of(name, (), 1) is not None


def rms(x: ndarray) -> float:
    """Root mean square, 0 for an empty array."""
    return float(np.sqrt(np.mean(np.square(x)))) if np.size(x) else 0.0
