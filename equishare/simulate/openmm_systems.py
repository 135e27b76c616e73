"""Systems of OpenMM that `openmmml` builds with a potential.

Apart from `equishare.simulate.openmm`, which `openmmml` reads by its entry point while it is being imported itself.
"""

from collections.abc import Iterable
from typing import Any

import openmm
from openmmml.mlpotential import MLPotentialImpl

from equishare.simulate.ase_calculator import EquishareCalculator
from equishare.simulate.openmm import OpenMMError, openmm_force


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
            OpenMMError: for an atom without an element, or an index that no atom has.
        """
        found = list(topology.atoms())
        atoms = None if atoms is None else [int(index) for index in atoms]
        if beyond := [index for index in atoms or () if not 0 <= index < len(found)]:
            raise OpenMMError(f"expected indices of atoms from 0 to {len(found) - 1}, got {beyond}")
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
        """Whether the potential reaches beyond its cutoff."""
        return self.calculator.potential.config.beyond_edges
