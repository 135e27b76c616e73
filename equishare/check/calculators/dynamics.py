"""Conservation of energy in molecular dynamics."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.md.verlet import VelocityVerlet

from equishare.check.calculators.evaluator import Evaluator
from equishare.check.calculators.noise import NoiseLevel
from equishare.check.reports.calculator_report import PhysicsTest, judged
from equishare.check.reports.curves import Curve
from equishare.check.reports.verdict import Verdict

STEP = 0.5
"""fs, the longer of the two time steps."""
STEPS = 100
TEMPERATURE = 300.0
"""K."""
TOLERANCE = 5e-5
"""eV per atom that may be lost over the run: 1 meV per atom and ps."""


@dataclass
class _Runs:
    """Trajectories from one start, their total energies extrapolated to a time step of zero."""

    evaluate: Evaluator
    start: Atoms

    def energies(self, step: float, steps: int, every: int) -> np.ndarray:
        """Integrate, and return the total energy at every `every`-th step."""
        atoms = self.start.copy()
        atoms.calc = self.evaluate.calculator
        consistent, energies = self.evaluate.two_energies, []

        def note() -> None:
            energies.append(atoms.get_potential_energy(force_consistent=consistent) + atoms.get_kinetic_energy())

        with VelocityVerlet(atoms, timestep=step * units.fs) as dynamics:
            dynamics.attach(note, interval=every)
            dynamics.run(steps)
        self.evaluate.calls += steps + 1
        return np.array(energies)

    def row(self, noise: NoiseLevel, step: float) -> PhysicsTest:
        """Judge the drift that is left of runs with a step and with half of it."""
        steps, atoms = round(STEP * STEPS / step), len(self.start)
        coarse, fine = self.energies(step, steps, 1), self.energies(step / 2, 2 * steps, 2)
        extrapolated = (4 * fine - coarse) / 3
        drift = (extrapolated - extrapolated[0]) / atoms
        # what the next order of the integrator may leave, and the calculator's noise in three energies
        unexplained = float(np.abs(fine - fine[0]).max()) / atoms / 30
        # and the work that noise in the forces does along the way
        way = float(np.linalg.norm(self.start.get_velocities(), axis=1).mean()) * STEP * STEPS * units.fs
        floor = max(unexplained, 3 * noise.energy / atoms, noise.forces * way)
        curve = Curve(
            f"total energy, {step} and {step / 2} fs",
            "time (fs)",
            step * np.arange(len(coarse)),
            {
                f"step {step} fs (meV/atom)": 1e3 * (coarse - coarse[0]) / atoms,
                f"step {step / 2} fs (meV/atom)": 1e3 * (fine - fine[0]) / atoms,
                "step to zero (meV/atom)": 1e3 * drift,
            },
        )
        row = judged("NVE drift", "total energy", float(np.abs(drift).max()), floor, TOLERANCE, "eV/atom")
        row.curve = curve
        return row


def dynamics_test(evaluate: Evaluator, noise: NoiseLevel, seed: int) -> list[PhysicsTest]:
    """Drift of the total energy over 50 fs from 300 K, extrapolated to a time step of zero.

    Velocity Verlet errs by step^2 on a smooth potential, so (4 E(step/2) - E(step)) / 3 is what the integrator does not
    explain: forces that are not the energy's gradient, jumps, noise. Where something is left, it may be the integrator's next
    order, step^4, all the same: then half the steps leave less, and are what counts.
    """
    start = evaluate.atoms.copy()
    masses = start.get_masses()[:, None]
    velocities = np.random.default_rng(seed).standard_normal((len(start), 3)) * np.sqrt(units.kB * TEMPERATURE / masses)
    start.set_velocities(velocities - (masses * velocities).sum(0) / masses.sum())
    runs = _Runs(evaluate, start)
    row = runs.row(noise, STEP)
    if row.verdict is not Verdict.PASS:
        finer = runs.row(noise, STEP / 2)
        return [finer if finer.error < row.error else row]
    return [row]
