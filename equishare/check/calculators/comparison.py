"""Two results that should be equal: by how much they differ, and what that is worth."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms

from equishare.check.calculators.evaluator import Evaluator, Result, rms
from equishare.check.calculators.noise import NoiseLevel
from equishare.check.calculators.properties import kind_of
from equishare.check.reports.calculator_report import PhysicsTest, judged

ENERGY_TOLERANCE = 1e-6
"""eV per atom: below this a violation is too small to matter."""
FORCE_TOLERANCE = 1e-5
"""eV/Å."""
STRESS_TOLERANCE = 1e-7
"""eV/Å^3."""


@dataclass
class Expectation:
    """A transformed structure, and what its values must be; `skip` names properties that this says nothing of."""

    atoms: Atoms
    expected: Result
    skip: tuple[str, ...] = ()


@dataclass
class Violation:
    """The largest violations over several structures: absolute, rms over components.

    Attributes:
        energy: of the whole structure.
        forces, stress, further: likewise; stress is None where none was compared.
        atoms: in the structure.
        finite: no number was NaN or infinite.
    """

    energy: float = 0.0
    forces: float = 0.0
    stress: float | None = None
    further: dict[str, float] = field(default_factory=dict)
    atoms: int = 1
    finite: bool = True
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def largest(self) -> float:
        """The largest of them all."""
        return max(self.energy, self.forces, self.stress or 0.0, *self.further.values())

    def include(self, found: Result, expected: Result, skip: tuple[str, ...] = ()) -> None:
        """Take one more structure into account."""
        self.finite &= found.finite
        self.atoms = len(found.forces)
        self.energy = max(self.energy, abs(found.energy - expected.energy))
        self.forces = max(self.forces, rms(found.forces - expected.forces))
        if found.stress is not None and expected.stress is not None:
            self.stress = max(self.stress or 0.0, rms(found.stress - expected.stress))
        for name in (found.further.keys() & expected.further.keys()) - set(skip):
            error = rms(found.further[name] - expected.further[name])
            self.further[name] = max(self.further.get(name, 0.0), error)
            self.shapes[name] = np.shape(found.further[name])


def rows_of(law: str, violation: Violation, noise: NoiseLevel, *, copies: int = 1, note: str = "") -> list[PhysicsTest]:
    """Judge a violation of each quantity; `copies` of the structure make so much more noise in the energy."""
    atoms = violation.atoms
    if not violation.finite:
        return [judged(law, "energy, forces", float("nan"), 0.0, 0.0, "", note="NaN or infinity")]
    energy = copies * noise.energy / atoms
    rows = [
        judged(law, "energy", violation.energy / atoms, energy, ENERGY_TOLERANCE, "eV/atom", note=note),
        judged(law, "forces", violation.forces, noise.forces, FORCE_TOLERANCE, "eV/Å"),
    ]
    if violation.stress is not None:
        rows.append(judged(law, "stress", violation.stress, noise.stress, STRESS_TOLERANCE, "eV/Å³"))
    for name, error in sorted(violation.further.items()):
        kind = kind_of(name, violation.shapes[name], atoms)
        if kind is not None:
            floor = noise.further.get(name, 0.0) * (copies if kind.extensive else 1)
            rows.append(judged(law, name, error, floor, kind.tolerance, kind.unit))
    return rows


def compare(
    law: str,
    evaluate: Evaluator,
    noise: NoiseLevel,
    expectations: Iterator[Expectation],
    *,
    copies: int = 1,
    note: str = "",
) -> list[PhysicsTest]:
    """Evaluate transformed structures and judge energy, forces, stress and what else the calculator gives."""
    violation = Violation()
    for expectation in expectations:
        violation.include(evaluate(expectation.atoms), expectation.expected, expectation.skip)
    return rows_of(law, violation, noise, copies=copies, note=note)
