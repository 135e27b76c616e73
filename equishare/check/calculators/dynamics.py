"""Conservation of energy in molecular dynamics."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.md.verlet import VelocityVerlet

from equishare.check.calculators.evaluator import Evaluator
from equishare.check.reports.calculator_report import PhysicsTest, judged
from equishare.check.reports.curves import Curve

STEP = 0.5
"""fs, the longer of the two time steps."""
STEPS = 100
TEMPERATURE = 300.0
"""K."""
TOLERANCE = 5e-5
"""eV per atom that may be lost over the run: 1 meV per atom and ps."""


@dataclass
class _Counted:
    """Lets a calculator's evaluations inside ASE's integrator be counted."""

    evaluate: Evaluator

    def run(self, start: Atoms, step: float, steps: int, every: int) -> np.ndarray:
        """Integrate, and return the total energy at every `every`-th step."""
        atoms = start.copy()
        atoms.calc = self.evaluate.calculator
        energies: list[float] = []
        with VelocityVerlet(atoms, timestep=step * units.fs) as dynamics:
            dynamics.attach(lambda: energies.append(atoms.get_total_energy()), interval=every)
            dynamics.run(steps)
        self.evaluate.calls += steps + 1
        return np.array(energies)


def dynamics_test(evaluate: Evaluator, seed: int) -> list[PhysicsTest]:
    """Drift of the total energy over 50 fs from 300 K, extrapolated to a time step of zero.

    Velocity Verlet errs by step^2 on a smooth potential, so (4 E(step/2) - E(step)) / 3 is what the
    integrator does not
    explain: forces that are not the energy's gradient, jumps, noise.
    """
    start = evaluate.atoms.copy()
    masses = start.get_masses()[:, None]
    velocities = np.random.default_rng(seed).standard_normal((len(start), 3)) * np.sqrt(units.kB * TEMPERATURE / masses)
    start.set_velocities(velocities - (masses * velocities).sum(0) / masses.sum())
    runs = _Counted(evaluate)
    coarse = runs.run(start, STEP, STEPS, 1)
    fine = runs.run(start, STEP / 2, 2 * STEPS, 2)
    atoms = len(start)
    extrapolated = (4 * fine - coarse) / 3
    drift = (extrapolated - extrapolated[0]) / atoms
    # what the next order of the integrator may leave, and the calculator's noise in three energies
    unexplained = float(np.abs(fine - fine[0]).max()) / atoms / 30
    # and the work that noise in the forces does along the way
    way = float(np.linalg.norm(start.get_velocities(), axis=1).mean()) * STEP * STEPS * units.fs
    floor = max(unexplained, 3 * evaluate.noise.energy / atoms, evaluate.noise.forces * way)
    time = STEP * np.arange(len(coarse))
    curve = Curve(
        f"total energy, {STEP} and {STEP / 2} fs",
        "time (fs)",
        time,
        {
            f"step {STEP} fs (meV/atom)": 1e3 * (coarse - coarse[0]) / atoms,
            f"step {STEP / 2} fs (meV/atom)": 1e3 * (fine - fine[0]) / atoms,
            "step to zero (meV/atom)": 1e3 * drift,
        },
    )
    return [judged("NVE drift", "total energy", float(np.abs(drift).max()), floor, TOLERANCE, "eV/atom", curve=curve)]
