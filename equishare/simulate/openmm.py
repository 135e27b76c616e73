"""OpenMM: a force that a potential computes, and the entry point by which `openmmml` finds it."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import openmm
from ase import Atoms, units
from openmmml.mlpotential import MLPotentialImpl, MLPotentialImplFactory

from equishare.errors import EquishareError
from equishare.simulate.ase_calculator import EquishareCalculator

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
    """
    compute = _Compute(calculator, Atoms(numbers=list(numbers), pbc=periodic, info=dict(info or {})))
    force = openmm.PythonForce(compute)
    force.setUsesPeriodicBoundaryConditions(periodic)
    if particles is not None:
        force.setParticles([int(index) for index in particles])
    return force


class _Compute:
    """Energy in kJ/mol and forces in kJ/mol/nm of a state."""

    def __init__(self, calculator: EquishareCalculator, atoms: Atoms) -> None:
        self.calculator, self.atoms = calculator, atoms

    def __call__(self, state: "openmm.State") -> tuple[float, np.ndarray]:
        angstrom = openmm.unit.angstrom
        self.atoms.positions[:] = state.getPositions(asNumpy=True).value_in_unit(angstrom)
        if self.atoms.pbc.any():
            self.atoms.set_cell(state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(angstrom))
        energy = self.calculator.get_property("energy", self.atoms)
        forces = self.calculator.get_property("forces", self.atoms)
        return float(energy / KJ_MOL), np.asarray(forces / KJ_MOL * 10)


class EquishareFactory(MLPotentialImplFactory):
    """What `openmmml` finds by its entry point: ``MLPotential("equishare", modelPath="model.safetensors")``."""

    def createImpl(self, name: str, modelPath: str | os.PathLike[str] | None = None, **options: Any) -> MLPotentialImpl:  # noqa: N802 (openmmml's)
        """Load a model file.

        Raises:
            OpenMMError: if no model file is named.
        """
        if modelPath is None:
            raise OpenMMError('name the model file: MLPotential("equishare", modelPath="model.safetensors")')
        return EquishareImpl(EquishareCalculator(modelPath, dtype=options.get("dtype")))


class EquishareImpl(MLPotentialImpl):
    """Adds the force to systems that `openmmml` builds, whole ones and mixed ones."""

    def __init__(self, calculator: EquishareCalculator) -> None:
        self.calculator = calculator

    def addForces(  # noqa: N802 (openmmml's)
        self,
        topology: "openmm.app.Topology",
        system: "openmm.System",
        atoms: Iterable[int] | None,
        forceGroup: int,
        **options: Any,
    ) -> None:
        """Add the force on these atoms; None: on all.

        Raises:
            OpenMMError: for an atom without an element.
        """
        found = list(topology.atoms())
        chosen = found if atoms is None else [found[index] for index in atoms]
        if any(atom.element is None for atom in chosen):
            raise OpenMMError("every atom of the potential needs an element in the topology")
        periodic = topology.getPeriodicBoxVectors() is not None or system.usesPeriodicBoundaryConditions()
        force = openmm_force(
            self.calculator,
            [atom.element.atomic_number for atom in chosen],
            particles=atoms,
            periodic=periodic,
            info=options.get("info"),
        )
        force.setForceGroup(forceGroup)
        system.addForce(force)

    def getMLLongRange(self) -> bool:  # noqa: N802 (openmmml's)
        """Whether the potential reaches beyond its cutoff: it does not."""
        return False
