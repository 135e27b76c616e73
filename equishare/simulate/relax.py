"""Relaxation of positions, and of the cell."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS, LBFGS

from equishare.errors import EquishareError

# From how many atoms on the inverse Hessian is no longer kept as a matrix, whose diagonalisation would cost more than the forces
MANY = 200


class RelaxError(EquishareError):
    """A structure cannot be relaxed as asked."""


@dataclass(frozen=True)
class RelaxRow:
    """A step of a relaxation: energy in eV, largest force in eV/Å, largest component of the stress in eV/Å^3, volume in Å^3."""

    step: int
    energy: float
    max_force: float
    max_stress: float | None = None
    volume: float | None = None


@dataclass
class Relaxation:
    """What a relaxation did.

    Attributes:
        atoms: Where it ended, with its calculator.
        converged: Whether force and stress are small enough.
        rows: One a step.
        path: The structures on the way.
    """

    atoms: Atoms
    converged: bool = False
    rows: list[RelaxRow] = field(default_factory=list)
    path: list[Atoms] = field(default_factory=list)


def relax(atoms: Atoms, fmax: float = 0.01, steps: int = 500, cell: bool = False, smax: float = 1e-4) -> Relaxation:
    """Move atoms, and with `cell` the cell too, until no force or stress is left.

    Quasi-Newton steps (BFGS; for many atoms with limited memory); a cell follows the logarithm of its deformation (Frechet).

    Args:
        atoms: With a calculator; is not changed.
        fmax: Largest norm of an atom's force in eV/Å at the end.
        steps: At most.
        cell: Relax the cell as well.
        smax: Largest component of the stress in eV/Å^3 at the end, with `cell`.

    Raises:
        RelaxError: for a number that makes no sense, or a cell that is not periodic along all three vectors.

    >>> from ase.calculators.lj import LennardJones
    >>> pair = Atoms("Ar2", [[0, 0, 0], [1.3, 0, 0]])
    >>> pair.calc = LennardJones(rc=10.0)
    >>> done = relax(pair, fmax=1e-4)
    >>> done.converged, round(float(done.atoms.get_distance(0, 1)), 3)
    (True, 1.122)
    """
    if not (0 < fmax < math.inf and 0 < smax < math.inf and steps >= 0):
        raise RelaxError(f"fmax and smax must be positive and steps not negative, got {fmax}, {smax} and {steps}")
    if cell and not (atoms.pbc.all() and atoms.cell.rank == 3):
        raise RelaxError(
            f"a cell that is relaxed must be periodic along all three vectors, got pbc {atoms.pbc.tolist()}; relax the positions only"
        )
    calculator, atoms = atoms.calc, atoms.copy()
    atoms.calc = calculator
    found = Relaxation(atoms)
    kind: Any = LBFGS if len(atoms) > MANY else BFGS
    optimizer = kind(FrechetCellFilter(atoms) if cell else atoms, logfile=None)

    def note() -> None:
        row = _row(atoms, optimizer.nsteps, cell)
        found.rows.append(row)
        found.path.append(_frozen(atoms, cell))
        found.converged = row.max_force <= fmax and (row.max_stress or 0.0) <= smax

    # the filter mixes forces and stress into one number: what counts here are the two themselves
    for _ in optimizer.irun(fmax=0.0, steps=steps):
        note()
        if found.converged or not math.isfinite(found.rows[-1].energy):
            break
    return found


def _row(atoms: Atoms, step: int, cell: bool) -> RelaxRow:
    stress = float(np.abs(atoms.get_stress()).max()) if cell else None
    forces = atoms.get_forces()
    norm = float(np.linalg.norm(forces, axis=1).max()) if len(atoms) else 0.0
    return RelaxRow(
        step, float(atoms.get_potential_energy()), norm, stress, float(atoms.get_volume()) if cell else None
    )


def _frozen(atoms: Atoms, cell: bool) -> Atoms:
    """A copy that keeps its numbers."""
    frame = atoms.copy()
    results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
    frame.calc = SinglePointCalculator(frame, **results, **({"stress": atoms.get_stress()} if cell else {}))
    return frame
