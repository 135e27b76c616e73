"""Two molecules far from each other: their energies add up."""

from collections.abc import Iterator

import numpy as np
from ase import Atoms

from equishare.check.calculators.comparison import Expectation, compare
from equishare.check.calculators.evaluator import Evaluator, Result
from equishare.check.calculators.noise import NoiseLevel
from equishare.check.calculators.properties import Further, kind_of
from equishare.check.reports.calculator_report import PhysicsTest, judged
from equishare.check.reports.verdict import Verdict

LAW = "size-consistency"
FAR = 20.0
"""Å of vacuum between the two."""


def size_consistency(evaluate: Evaluator, noise: NoiseLevel, seed: int) -> list[PhysicsTest]:
    """E(A + B) = E(A) + E(B), for a structure A and a distorted copy B, 20 Å apart.

    They differ, so that charge which flows between any two molecules, however far, is seen. An interaction that decays
    with the distance is physics, and is said to be that.
    """
    other = evaluate.atoms.copy()
    other.positions += 0.05 * np.random.default_rng(seed).standard_normal(other.positions.shape)
    apart = evaluate(other)
    extent = max(float(np.abs(evaluate.atoms.positions).max()), 1.0)
    across = float(np.ptp(evaluate.atoms.positions[:, 0]))
    noise = noise.farther((extent + FAR + across) / extent)
    rows = compare(LAW, evaluate, noise, _pair(evaluate, other, apart, FAR), copies=2)
    if all(row.verdict is Verdict.PASS for row in rows):
        return rows
    further = compare(LAW, evaluate, noise, _pair(evaluate, other, apart, 2 * FAR), copies=2)
    # between centres, of charges say, distances grow by less than the gap
    decay = 0.95 * (2 * FAR + across) / (FAR + across)
    if all(b.error <= max(a.error / decay, 3 * b.floor, b.tolerance) for a, b in zip(rows, further, strict=True)):
        errors = f"{rows[0].error:.1e} eV/atom at {FAR:.0f} Å, {further[0].error:.1e} at {2 * FAR:.0f} Å"
        note = f"long-range interaction: {errors}"
        return [judged(r.name, r.quantity, r.error, r.floor, r.error, r.unit, note=note) for r in rows]
    return rows


def _pair(evaluate: Evaluator, other: Atoms, apart: Result, distance: float) -> Iterator[Expectation]:
    atoms, base = evaluate.atoms, evaluate.base
    moved = other.copy()
    moved.positions[:, 0] += atoms.positions[:, 0].max() - other.positions[:, 0].min() + distance
    further: Further = {}
    for name, value in base.further.items():
        kind = kind_of(name, value.shape, len(atoms))
        if kind is not None and kind.per_atom and name in apart.further:
            further[name] = np.concatenate([value, apart.further[name]])
    forces = np.concatenate([base.forces, apart.forces])
    yield Expectation(atoms + moved, Result(base.energy + apart.energy, forces, None, further))
