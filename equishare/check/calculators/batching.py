"""Evaluating several structures at once must not change any of them."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from ase import Atoms

from equishare.check.calculators.evaluator import Evaluator, rms
from equishare.check.calculators.invariances import ENERGY_TOLERANCE, FORCE_TOLERANCE
from equishare.check.reports.calculator_report import PhysicsTest, judged


@runtime_checkable
class BatchCalculator(Protocol):
    """A calculator that can evaluate several structures in one call."""

    def calculate_batch(self, frames: Sequence[Atoms]) -> Sequence[Mapping[str, np.ndarray]]:
        """Return for every structure a mapping with "energy" (eV) and "forces" (eV/Å)."""
        ...


def batch_test(evaluate: Evaluator, seed: int) -> list[PhysicsTest]:
    """A batch of structures against the same ones one by one; no rows for a calculator without batches."""
    if not isinstance(evaluate.calculator, BatchCalculator):
        return []
    rng = np.random.default_rng(seed)
    frames = []
    for size in (len(evaluate.atoms), max(1, len(evaluate.atoms) - 1), len(evaluate.atoms)):
        frame = evaluate.atoms[:size]
        frame.positions += 0.05 * rng.standard_normal(frame.positions.shape)
        frames.append(frame)
    energy, forces = 0.0, 0.0
    for frame, together in zip(frames, evaluate.calculator.calculate_batch(frames), strict=True):
        alone = evaluate(frame)
        energy = max(energy, abs(float(together["energy"]) - alone.energy) / len(frame))
        forces = max(forces, rms(np.asarray(together["forces"]) - alone.forces))
    noise = evaluate.noise
    return [
        judged(
            "batch equals single",
            "energy",
            energy,
            noise.energy / len(evaluate.atoms),
            ENERGY_TOLERANCE,
            "eV/atom",
        ),
        judged("batch equals single", "forces", forces, noise.forces, FORCE_TOLERANCE, "eV/Å"),
    ]
