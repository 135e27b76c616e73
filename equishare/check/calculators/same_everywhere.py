"""The same numbers in a batch and alone, after pickling, in a thread, and from a twin on another device."""

import pickle
import threading
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from equishare.check.calculators.comparison import (
    ENERGY_TOLERANCE,
    FORCE_TOLERANCE,
    Violation,
    rows_of,
)
from equishare.check.calculators.determinism import exact_noise
from equishare.check.calculators.evaluator import Evaluator, Result, rms
from equishare.check.calculators.noise import NoiseLevel
from equishare.check.reports.calculator_report import PhysicsTest, judged


@runtime_checkable
class BatchCalculator(Protocol):
    """A calculator that can evaluate several structures in one call."""

    def calculate_batch(self, frames: Sequence[Atoms]) -> Sequence[Mapping[str, np.ndarray]]:
        """Return for every structure a mapping with "energy" (eV) and "forces" (eV/Å)."""
        ...


def batch_test(evaluate: Evaluator, noise: NoiseLevel, seed: int) -> list[PhysicsTest]:
    """A batch of structures against the same ones one by one; no rows for a calculator without batches."""
    if not isinstance(evaluate.calculator, BatchCalculator):
        return []
    rng, n = np.random.default_rng(seed), len(evaluate.atoms)
    frames = []
    for size in (n, max(1, n - 1), n):
        frame = evaluate.atoms[:size]
        frame.positions += 0.05 * rng.standard_normal(frame.positions.shape)
        frames.append(frame)
    gaps = []
    for frame, together in zip(frames, evaluate.calculator.calculate_batch(frames), strict=True):
        alone = evaluate(frame)
        gap = abs(float(together["energy"]) - alone.energy) / len(frame)
        gaps.append((gap, rms(np.asarray(together["forces"]) - alone.forces)))
    energy, forces = np.max(gaps, axis=0).tolist()  # a NaN stays
    law = "batch equals single"
    return [
        judged(law, "energy", energy, noise.energy / n, ENERGY_TOLERANCE, "eV/atom"),
        judged(law, "forces", forces, noise.forces, FORCE_TOLERANCE, "eV/Å"),
    ]


def pickle_test(evaluate: Evaluator, noise: NoiseLevel) -> list[PhysicsTest]:
    """A pickled copy gives the same numbers; one that cannot be pickled gets a note."""
    evaluate.forget()  # else the results would be pickled with it
    try:
        copied = pickle.loads(pickle.dumps(evaluate.calculator))
    except Exception as error:
        first_line = (str(error).splitlines() or [""])[0]
        evaluate.notes.append(
            f"cannot be pickled, so no other process can use it: {type(error).__name__}: {first_line}"
        )
        return []
    return _same("after pickling", evaluate, noise, evaluate.with_calculator(copied, evaluate.atoms))


def thread_test(evaluate: Evaluator, noise: NoiseLevel) -> list[PhysicsTest]:
    """Another thread gets the same numbers."""
    found: list[Result] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(evaluate(evaluate.atoms))
        except BaseException as error:
            failed.append(error)

    evaluate.forget()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return _same("in a thread", evaluate, noise, found[0])


def against_test(evaluate: Evaluator, noise: NoiseLevel, other: BaseCalculator) -> list[PhysicsTest]:
    """Another calculator, of the same model on another device say, gives the same numbers but for rounding."""
    violation = Violation()
    violation.include(evaluate.with_calculator(other, evaluate.atoms), evaluate.base)
    return rows_of("the other calculator", violation, noise)


def _same(law: str, evaluate: Evaluator, noise: NoiseLevel, found: Result) -> list[PhysicsTest]:
    violation = Violation()
    violation.include(found, evaluate.base)
    return rows_of(law, violation, exact_noise(evaluate.base, noise))
