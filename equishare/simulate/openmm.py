"""OpenMM: a force that a potential computes, and the entry point by which `openmmml` finds it."""

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import openmm
from ase import Atoms, units

from equishare.errors import EquishareError
from equishare.simulate.ase_calculator import EquishareCalculator

if TYPE_CHECKING:
    from equishare.simulate.openmm_systems import EquishareImpl

KJ_MOL = units.kJ / units.mol  # in eV


class OpenMMError(EquishareError):
    """A system cannot be simulated as asked."""


def openmm_force(
    calculator: EquishareCalculator,
    numbers: Iterable[int],
    particles: Iterable[int] | None = None,
    periodic: bool = False,
    info: Mapping[str, Any] | None = None,
) -> "openmm.PythonForce":
    """A force of OpenMM that a potential computes, for `openmm.System.addForce`.

    Args:
        calculator: Of the potential.
        numbers: Atomic numbers of the particles that it acts on.
        particles: Their indices in the system; None: all.
        periodic: Whether the system's box repeats them.
        info: What goes into the network besides, such as ``{"charge": -1}``.

    Raises:
        OpenMMError: for particles that are not as many as the numbers, negative, or named twice; when it computes, for a system of another size, or
            without one of the particles.
    """
    numbers, chosen = list(numbers), None if particles is None else [int(index) for index in particles]
    if chosen is not None and (
        len(set(chosen)) != len(numbers) or len(chosen) != len(numbers) or min(chosen, default=0) < 0
    ):
        raise OpenMMError(
            f"expected a particle's index for each of {len(numbers)} atomic numbers, none twice, got {chosen}"
        )
    compute = _Compute(calculator, Atoms(numbers=numbers, pbc=periodic, info=dict(info or {})), chosen)
    force = openmm.PythonForce(compute)
    force.setUsesPeriodicBoundaryConditions(periodic)
    return force


class _Compute:
    """Energy in kJ/mol and forces in kJ/mol/nm of a state.

    It picks its particles itself: OpenMM reads beyond the memory of the positions for an index that no particle has.
    """

    def __init__(self, calculator: EquishareCalculator, atoms: Atoms, particles: list[int] | None) -> None:
        self.calculator, self.atoms, self.particles = calculator, atoms, particles

    def __call__(self, state: "openmm.State") -> tuple[float, np.ndarray]:
        angstrom = openmm.unit.angstrom
        positions = state.getPositions(asNumpy=True).value_in_unit(angstrom)
        if self.particles is None and len(positions) != len(self.atoms):
            raise OpenMMError(
                f"the potential has {len(self.atoms)} atomic numbers, and acts on {len(positions)} particles: name them by `particles`"
            )
        if self.particles and max(self.particles) >= len(positions):
            raise OpenMMError(
                f"the potential acts on particle {max(self.particles)}, and the system has {len(positions)}, counted from 0"
            )
        chosen = slice(None) if self.particles is None else self.particles
        self.atoms.positions[:] = positions[chosen]
        if self.atoms.pbc.any():
            self.atoms.set_cell(state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(angstrom))
        energy = self.calculator.get_property("energy", self.atoms)
        forces = np.zeros_like(positions)
        forces[chosen] = self.calculator.get_property("forces", self.atoms) / KJ_MOL * 10
        return float(energy / KJ_MOL), forces


class EquishareFactory:
    """What `openmmml` finds by its entry point: ``MLPotential("equishare", modelPath="model.safetensors")``.

    It has the methods of ``MLPotentialImplFactory`` and is no subclass: `openmmml` reads its entry points while it is being imported.
    """

    def createImpl(self, name: str, modelPath: str | os.PathLike[str] | None = None, **options: Any) -> "EquishareImpl":  # noqa: N802 (openmmml's)
        """Load a model file.

        Raises:
            OpenMMError: if no model file is named.
        """
        if modelPath is None:
            raise OpenMMError('name the model file: MLPotential("equishare", modelPath="model.safetensors")')
        from equishare.simulate.openmm_systems import EquishareImpl

        return EquishareImpl(EquishareCalculator(modelPath, dtype=options.get("dtype")))
