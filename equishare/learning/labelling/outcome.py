"""What became of a frame that was to be labelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labels of a frame.

    Attributes:
        energy: In eV; where a method has an energy at zero temperature and a free energy, the one that the forces derive from.
        forces: In eV/Å, ``[atoms, 3]``.
        stress: In eV/Å^3, ``[6]`` in Voigt's order with ASE's sign; None without a cell, or where the method has none.
        seconds: Time that it took.
    """

    energy: float
    forces: np.ndarray
    stress: np.ndarray | None
    seconds: float


@dataclass(frozen=True)
class Refused:
    """No label: why, in a sentence, and the time that it took in s."""

    reason: str
    seconds: float


def compute(calculator: Any, atoms: Atoms) -> tuple[float, np.ndarray, np.ndarray | None]:
    """Energy, forces and, of a periodic cell and where the method has it, stress.

    Raises:
        FloatingPointError: if a value is not finite, or the calculator says that it has not converged.
        Exception: whatever the calculator raises.
    """
    atoms = atoms.copy()
    atoms.calc = calculator
    forces = np.asarray(atoms.get_forces(), dtype=float)
    energy = float(atoms.get_potential_energy())
    energy = float(calculator.results.get("free_energy", energy))
    periodic = atoms.pbc.all() and atoms.cell.rank == 3 and "stress" in calculator.implemented_properties
    stress = np.asarray(atoms.get_stress(), dtype=float) if periodic else None
    if getattr(calculator, "converged", None) is False:
        raise FloatingPointError("not converged")
    for name, value in (("energy", energy), ("forces", forces), ("stress", stress)):
        if value is not None and not np.isfinite(value).all():
            raise FloatingPointError(f"the {name} {'are' if name == 'forces' else 'is'} not finite")
    if forces.shape != (len(atoms), 3):
        raise FloatingPointError(f"expected forces of shape {(len(atoms), 3)}, got {forces.shape}")
    return energy, forces, stress
