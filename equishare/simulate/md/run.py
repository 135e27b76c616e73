"""Molecular dynamics with a fitted potential, watched while it runs."""

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.symbols import Symbols

from equishare.atoms.neighbours import check_structure
from equishare.clock import Clock
from equishare.continuing import check_same
from equishare.potential import Potential
from equishare.simulate.ase_calculator import EquishareCalculator
from equishare.simulate.md.files import Checkpoint, Report, Writer, writer
from equishare.simulate.md.integrators import Integrator, check_cell, integrator
from equishare.simulate.md.plot import plot_md
from equishare.simulate.md.rows import MDResult, MDRow
from equishare.simulate.md.settings import FREE, MDError, MDSettings
from equishare.simulate.md.velocities import default_timestep, free_degrees, start_velocities
from equishare.simulate.md.watch import Watch
from equishare.simulate.training_data import stored_domain

# Seconds between two checkpoints
CHECKPOINT_EVERY = 10.0


def run_md(
    potential: Potential | str | os.PathLike[str],
    atoms: Atoms,
    steps: int,
    out: str | os.PathLike[str],
    settings: MDSettings | None = None,
    *,
    restart: bool = False,
    report: Report | None = None,
) -> MDResult:
    """Run molecular dynamics; stop, with the reason, where it leaves the training domain or explodes.

    The training domain is that of the model file; where there is none, covalent radii limit the distances.

    Atoms that have momenta start with them. Otherwise velocities are drawn from the Maxwell-Boltzmann distribution, the total
    momentum, and for a molecule the angular momentum, are taken off, and what is left is scaled to the temperature. Langevin
    thermostats every degree of freedom; in NVE the temperature counts those that are left, and a relaxed structure settles near half
    the temperature asked for. Same seed and machine, same run, interrupted or not: to the bit.

    Args:
        potential: A potential, or the path of a model file.
        atoms: Where to start; is not changed.
        steps: Number of steps, those before a restart included.
        out: Folder for ``trajectory.xyz`` (extxyz with energy, forces, momenta), ``md.csv``, ``md.png`` and ``restart.npz``.
        settings: Temperature, ensemble and so on.
        restart: Go on with the run in the folder.
        report: Called with each state written.

    Raises:
        MDError: for a number that makes no sense, a folder that holds a run already, or a restart that is not the same run.
        DispersionError: if there is no dispersion for the functional, or its package is not installed.
        UnknownSpeciesError: for an element that the potential does not know.
        GraphError: for a structure that has no graph.
    """
    settings = settings or MDSettings()
    settings = replace(settings, timestep=settings.timestep or default_timestep(atoms))
    if steps < 1:
        raise MDError(f"steps must be positive, got {steps}")
    check_cell(atoms, settings)
    check_structure(atoms)  # before velocities are drawn, which take the moments of inertia
    if atoms.get_number_of_degrees_of_freedom() < 1:
        raise MDError("the constraints of the structure hold every atom: nothing would move; release some")
    resumed = _resumed(Path(out), settings, atoms, steps) if restart else None
    atoms = atoms.copy()
    if resumed is not None:
        resumed.put_into(atoms)
    kind = _WithStress if settings.ensemble == "npt" else EquishareCalculator
    atoms.calc = kind(potential, device=settings.device, dtype=settings.precision, dispersion=settings.dispersion)
    rng = np.random.default_rng(settings.seed)
    if resumed is None:
        free, start = start_velocities(atoms, settings.temperature, rng, settings.new_velocities)
    else:
        free = free_degrees(atoms) if resumed.degrees is None else resumed.degrees
        start = f"went on after step {resumed.step}"
    degrees = max(free if settings.ensemble == "nve" else atoms.get_number_of_degrees_of_freedom(), 1)
    forces = atoms.get_forces(md=True)  # an unusable structure fails here, before anything is written
    dynamics = integrator(atoms, settings, settings.timestep or math.nan, rng)
    if resumed is not None:
        _check_energy(atoms, resumed)
        dynamics.restore(resumed.integrator)
    result = MDResult(Path(out), settings, len(atoms), start)
    watch = Watch(stored_domain(potential), atoms.calc.potential, settings.temperature, degrees)
    with writer(result.folder, settings, resumed) as write:
        if resumed is not None:
            result.rows += MDRow.read(result.folder / "md.csv")
        run = _Run(atoms, dynamics, watch, write, result)
        run(forces, resumed.step if resumed else 0, steps, report)
    plot_md(result, result.folder / "md.png")
    return result


class _WithStress(EquishareCalculator):
    """Computes the stress with the forces: constant pressure asks for both."""

    def calculate(
        self, atoms: Atoms | None = None, properties: Sequence[str] = ("energy",), system_changes: Sequence[str] = ()
    ) -> None:
        super().calculate(atoms, [*properties, "stress"], system_changes)


class _Run:
    """The loop."""

    def __init__(self, atoms: Atoms, dynamics: Integrator, watch: Watch, write: Writer, result: MDResult) -> None:
        self.atoms, self.dynamics, self.watch, self.write, self.result = atoms, dynamics, watch, write, result

    def __call__(self, forces: np.ndarray, step: int, steps: int, report: Report | None) -> None:
        result, settings, degrees = self.result, self.result.settings, self.watch.degrees
        clock, last_step = Clock(), step
        noted = clock
        first = step
        try:
            while True:
                result.stopped = self.watch(self.atoms, forces, step)
                written = bool(result.rows) and result.rows[-1].step == step
                if (step % settings.interval == 0 or step == steps or result.stopped) and not written:
                    speed = (step - last_step) / max(clock.seconds, 1e-9)
                    clock, last_step = Clock(), step
                    when = step, step * (settings.timestep or math.nan)
                    row = MDRow.of(self.atoms, forces, when, degrees, speed=speed, cell=settings.ensemble == "npt")
                    result.rows.append(row)
                    self.write(self.atoms, row)
                    if report is not None:
                        report(row)
                    if noted.seconds > CHECKPOINT_EVERY or step == first:
                        noted = clock
                        self._note(step)
                if result.stopped or step >= steps:
                    break
                forces = self.dynamics.step(forces)
                step += 1
        except KeyboardInterrupt:
            result.stopped, result.interrupted = f"interrupted after {step} of {steps} steps", True
            return
        self._note(step)

    def _note(self, step: int) -> None:
        self.write.checkpoint(self.atoms, step, self.dynamics.state(), self.watch.degrees)


def _resumed(folder: Path, settings: MDSettings, atoms: Atoms, steps: int) -> Checkpoint:
    found = Checkpoint.load(folder)
    stored = {**found.settings, "the structure": str(Symbols(found.numbers))}
    asked = {**asdict(settings), "the structure": str(atoms.symbols)}
    check_same(f"the run in {folder}", stored, asked, FREE, MDError)
    if found.step > steps:
        raise MDError(f"the run in {folder} has done {found.step} steps already; ask for more than these, got {steps}")
    return found


def _check_energy(atoms: Atoms, resumed: Checkpoint) -> None:
    energy = float(atoms.get_potential_energy())
    # the same to the bit on the same machine; on another, and after a change of device, to rounding
    if not math.isclose(energy, resumed.energy, rel_tol=1e-6, abs_tol=1e-4):
        raise MDError(
            f"the model gives the last state {energy:.6f} eV, the run had {resumed.energy:.6f} eV: it is not the run's model"
        )
