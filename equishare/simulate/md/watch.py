"""Looks for a run that has left the training domain or exploded."""

import math

import numpy as np
from ase import Atoms

from equishare.potential import Potential
from equishare.potential.domain import Domain
from equishare.potential.given import method_of
from equishare.simulate.md.rows import kelvin

# Steps between two looks at distances and energy; forces and temperature are looked at after every step.
CHECK_EVERY = 10
# Where nothing is known of the training forces: more than any bonded atom feels in a simulation of molecules or solids.
MAX_FORCE = 100.0


class Watch:
    """Says why a run should stop, at every step: ``watch(atoms, forces, step)``; None if it should not."""

    def __init__(self, domain: Domain, potential: Potential, temperature: float, degrees: int) -> None:
        self.domain = domain
        self.cutoff = potential.cutoff
        self.config, self.statistics = potential.config, potential.statistics
        self.hottest = 5 * temperature + 1000
        self.degrees = degrees
        self.worst = MAX_FORCE if domain.max_force is None else math.inf

    def __call__(self, atoms: Atoms, forces: np.ndarray, step: int) -> str | None:
        """The reason, with the step."""
        reason = self._reason(atoms, forces, step)
        return reason and f"stopped at step {step}: {reason}"

    def _reason(self, atoms: Atoms, forces: np.ndarray, step: int) -> str | None:
        if reason := self.domain.check_forces(atoms, forces):
            return reason
        norm = np.sqrt(np.einsum("ij,ij->i", forces, forces).max())
        if norm > self.worst:
            return f"a force of {norm:.0f} eV/Å: the run explodes; try a shorter time step"
        temperature = kelvin(atoms.get_kinetic_energy(), self.degrees)
        if not temperature < self.hottest:
            advice = "the run explodes; try a shorter time step" if step else "draw new velocities, or ask for more"
            return f"the temperature is {temperature:.0f} K: {advice}"
        if step % CHECK_EVERY:
            return None
        level = method_of(atoms, self.config)
        energy = atoms.get_potential_energy() - self.statistics.isolated(atoms.symbols, level)
        energy -= atoms.calc.results.get("dispersion_energy", 0.0)  # the training data's range is without it
        return self.domain.check(atoms, energy=energy if len(atoms) > 1 else None, cutoff=self.cutoff)
