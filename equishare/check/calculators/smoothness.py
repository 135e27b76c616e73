"""Smoothness of energy and forces along a path on which pairs cross the cutoff."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from equishare.check.calculators.evaluator import Evaluator
from equishare.check.reports.calculator_report import PhysicsTest, judged
from equishare.check.reports.curves import Curve

POINTS = 120
HALVINGS = 24
CANDIDATES = 3
ENERGY_TOLERANCE = 1e-5
"""eV: a smaller jump is too small to matter."""
FORCE_TOLERANCE = 1e-3
"""eV/Å."""


@dataclass
class _Path:
    """One atom moves along a ray; its energy and the force along the ray are functions of how far."""

    evaluate: Evaluator
    atom: int
    direction: np.ndarray

    def at(self, x: float) -> np.ndarray:
        """Return (energy, force along the ray) with the atom moved by x Å."""
        atoms: Atoms = self.evaluate.atoms.copy()
        atoms.positions[self.atom] += x * self.direction
        result = self.evaluate(atoms)
        return np.array([result.energy, float(result.forces[self.atom] @ self.direction)])


def _choose(evaluate: Evaluator, seed: int) -> tuple[_Path, float]:
    """In a molecule the outermost atom leaves, 10 Å far; in a crystal one atom moves by 1 Å."""
    atoms = evaluate.atoms
    if atoms.pbc.any():
        direction = np.random.default_rng(seed).standard_normal(3)
        return _Path(evaluate, 0, direction / np.linalg.norm(direction)), 1.0
    from_centre = atoms.positions - atoms.positions.mean(0)
    atom = int(np.argmax(np.linalg.norm(from_centre, axis=1)))
    norm = np.linalg.norm(from_centre[atom])
    return _Path(evaluate, atom, from_centre[atom] / norm if norm > 0 else np.array([1.0, 0.0, 0.0])), 10.0


def smoothness_test(evaluate: Evaluator, seed: int) -> list[PhysicsTest]:
    """Scan a path, then halve the intervals that look worst: over a jump the difference stays.

    A potential whose energy jumps where a neighbour crosses the cutoff does not conserve energy; where the
    force jumps, integrators lose their order.
    """
    path, length = _choose(evaluate, seed)
    x = np.linspace(0.0, length, POINTS)
    values = np.array([path.at(position) for position in x])
    noise = (evaluate.noise.energy, np.sqrt(len(evaluate.atoms)) * evaluate.noise.forces)
    rows, marks = [], []
    for column, (quantity, tolerance, unit) in enumerate(
        (("energy", ENERGY_TOLERANCE, "eV"), ("force", FORCE_TOLERANCE, "eV/Å"))
    ):
        jump, place, smooth = _largest_jump(path, x, values, column)
        row = judged("smoothness", quantity, jump, max(noise[column], smooth), tolerance, unit)
        if row.verdict != "pass":
            row.note = f"jumps where atom {path.atom} has moved by {place:.6f} Å"
            marks.append(place)
        rows.append(row)
    rows[0].curve = Curve(
        f"atom {path.atom} ({evaluate.atoms.symbols[path.atom]}) along a ray",
        "displacement (Å)",
        x,
        {"energy (eV)": values[:, 0], "force along it (eV/Å)": values[:, 1]},
        marks,
    )
    return rows


def _largest_jump(path: _Path, x: np.ndarray, values: np.ndarray, column: int) -> tuple[float, float, float]:
    """Return size and place of the largest jump of one column, and the change that the trend explains."""
    y, best = values[:, column], (0.0, 0.0, 0.0)
    steps = np.diff(y)
    for i in _suspects(y, x, values[:, 1] if column == 0 else None):
        # what the neighbouring intervals let expect is not a jump
        trend = (steps[max(i - 1, 0)] + steps[min(i + 1, len(steps) - 1)]) / 2
        left, right = (x[i], y[i]), (x[i + 1], y[i + 1])
        for _ in range(HALVINGS):
            trend /= 2
            middle = (left[0] + right[0]) / 2
            value = path.at(middle)[column]
            keep_left = abs(value - left[1] - trend) >= abs(right[1] - value - trend)
            left, right = (left, (middle, value)) if keep_left else ((middle, value), right)
        best = max(best, (abs(right[1] - left[1]), right[0], 4 * abs(trend)))
    return best


def _suspects(y: np.ndarray, x: np.ndarray, force: np.ndarray | None) -> list[int]:
    """Intervals whose step is least explained by the force (for energies) or by neighbouring steps."""
    step = np.diff(y)
    if force is not None:
        surprise = np.abs(step + (force[1:] + force[:-1]) / 2 * np.diff(x))
    else:
        padded = np.pad(step, 1, mode="edge")
        surprise = np.abs(step - (padded[2:] + padded[:-2]) / 2)
    # a jump is judged against how the curve bends there, else the steep part near contact takes all places
    local = np.array([np.median(surprise[max(i - 4, 0) : i + 5]) for i in range(len(surprise))])
    absolute = np.argsort(-surprise)[:CANDIDATES]
    relative = np.argsort(-surprise / (local + 1e-12 * np.abs(y).max()))[:CANDIDATES]
    return sorted({*absolute.tolist(), *relative.tolist()})
