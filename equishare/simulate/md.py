"""Molecular dynamics with a fitted potential, watched while it runs."""

import csv
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import ase.io
import numpy as np
import torch
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import Stationary, ZeroRotation
from ase.md.verlet import VelocityVerlet

from equishare.atoms.neighbours import check_structure
from equishare.errors import EquishareError
from equishare.potential import Potential, read_header
from equishare.potential.domain import Domain
from equishare.simulate.ase_calculator import EquishareCalculator

Ensemble: TypeAlias = Literal["langevin", "nve"]
COLUMNS = ("step", "time_fs", "temperature_K", "potential_eV", "kinetic_eV", "total_eV", "max_force", "steps_per_s")

# Steps between two looks at distances and energy; forces and temperature are looked at after every step.
CHECK_EVERY = 10
# Where nothing is known of the training forces: more than any bonded atom feels in a simulation of molecules or solids.
MAX_FORCE = 100.0


class MDError(EquishareError):
    """A run cannot start as asked."""


@dataclass(frozen=True)
class MDRow:
    """The state of a run at one step, in fs, K, eV and eV/Å."""

    step: int
    time: float
    temperature: float
    potential_energy: float
    kinetic_energy: float
    max_force: float
    steps_per_second: float

    @property
    def total_energy(self) -> float:
        """Potential and kinetic energy in eV; conserved in NVE."""
        return self.potential_energy + self.kinetic_energy


@dataclass
class MDResult:
    """What a run did.

    Attributes:
        folder: Holds ``trajectory.xyz``, ``md.csv`` and ``md.png``.
        ensemble: "langevin" or "nve".
        n_atoms: Number of atoms.
        rows: The states written to ``md.csv``.
        stopped: Why the run ended before its last step; None if it did not.
        interrupted: Whether the user stopped it.
    """

    folder: Path
    ensemble: Ensemble
    n_atoms: int
    rows: list[MDRow] = field(default_factory=list)
    stopped: str | None = None
    interrupted: bool = False

    @property
    def drift(self) -> float:
        """Slope of the total energy by least squares, in meV/atom/ps; NaN for fewer than three states."""
        if len(self.rows) < 3:
            return math.nan
        times = np.array([row.time for row in self.rows]) / 1000
        total = np.array([row.total_energy for row in self.rows]) * 1000 / self.n_atoms
        return float(np.polyfit(times - times.mean(), total - total.mean(), 1)[0])


def run_md(
    potential: Potential | str | os.PathLike[str],
    atoms: Atoms,
    steps: int,
    out: str | os.PathLike[str],
    *,
    temperature: float = 300.0,
    ensemble: Ensemble = "langevin",
    timestep: float | None = None,
    friction: float = 0.01,
    seed: int = 0,
    interval: int = 10,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    domain: Domain | None = None,
    dispersion: str | None = None,
    report: Callable[[MDRow], None] | None = None,
) -> MDResult:
    """Run molecular dynamics; stop, with the reason, where it leaves the training domain or explodes.

    Velocities are drawn from the Maxwell-Boltzmann distribution, the total momentum, and for a molecule the angular
    momentum, are taken off, and what is left is scaled to the temperature. Langevin thermostats every degree of
    freedom; in NVE the temperature counts those that are left, and a relaxed structure settles near half the temperature
    asked for. Same seed and machine, same run.

    Args:
        potential: A potential, or the path of a model file.
        atoms: Where to start; is not changed.
        steps: Number of steps.
        out: Folder for ``trajectory.xyz`` (extxyz with energy, forces, momenta), ``md.csv`` and ``md.png``; made if absent.
        temperature: In K.
        ensemble: "langevin" (constant temperature) or "nve" (constant energy).
        timestep: In fs; None for 0.5 with hydrogen, else 1.
        friction: Of Langevin, in 1/fs.
        seed: Of the velocities and the thermostat.
        interval: Steps between two frames written.
        device: Where to run.
        dtype: Precision of the potential.
        domain: Ranges of the training data; None for those in the model file. Where there are none, covalent radii limit the
            distances.
        dispersion: Functional whose D3(BJ) dispersion is added, for a potential whose data were computed without it.
        report: Called with each state written.

    Raises:
        MDError: for a number that makes no sense, or a folder that holds a run already.
        DispersionError: if there is no dispersion for the functional, or its package is not installed.
        UnknownSpeciesError: for an element that the potential does not know.
        GraphError: for a structure that has no graph.
    """
    timestep = default_timestep(atoms) if timestep is None else timestep
    _check_arguments(steps, temperature, ensemble, timestep, friction, interval)
    check_structure(atoms)  # before velocities are drawn, which take the moments of inertia
    atoms = atoms.copy()
    atoms.calc = EquishareCalculator(potential, device=device, dtype=dtype, dispersion=dispersion)
    domain = domain or _stored_domain(potential)
    rng = np.random.default_rng(seed)
    free = draw_velocities(atoms, temperature, rng)
    thermostat = ensemble == "langevin"
    degrees = max(atoms.get_number_of_degrees_of_freedom() if thermostat else free, 1)
    dynamics = (
        Langevin(
            atoms, timestep * units.fs, temperature_K=temperature, friction=friction / units.fs, fixcm=False, rng=rng
        )
        if thermostat
        else VelocityVerlet(atoms, timestep * units.fs)
    )
    watch = _Watch(domain, atoms.calc.potential, temperature, degrees)
    forces = atoms.get_forces(md=True)  # an unusable structure fails here, before anything is written
    result = MDResult(Path(out), ensemble, len(atoms))
    with _writer(result.folder) as write:
        clock, last_step = time.perf_counter(), 0
        step = 0
        try:
            while True:
                result.stopped = watch(atoms, forces, step)
                if step % interval == 0 or step == steps or result.stopped:
                    now = time.perf_counter()
                    speed = (step - last_step) / max(now - clock, 1e-9)
                    clock, last_step = now, step
                    row = _row(atoms, forces, step, step * timestep, degrees, speed)
                    result.rows.append(row)
                    write(atoms, row)
                    if report is not None:
                        report(row)
                if result.stopped or step == steps:
                    break
                forces = dynamics.step(forces)
                step += 1
        except KeyboardInterrupt:
            result.stopped, result.interrupted = f"interrupted after {step} of {steps} steps", True
    from equishare.simulate.md_plot import plot_md

    plot_md(result, temperature, result.folder / "md.png")
    return result


def default_timestep(atoms: Atoms) -> float:
    """Time step in fs: 0.5 where there is hydrogen, else 1.

    >>> from ase.build import molecule
    >>> default_timestep(molecule("H2O"))
    0.5
    """
    return 0.5 if 1 in atoms.numbers else 1.0


def draw_velocities(atoms: Atoms, temperature: float, rng: np.random.Generator) -> int:
    """Draw momenta without total (and for a molecule angular) momentum, scaled to exactly a temperature in K.

    Atoms under constraints keep their total momenta.

    Returns:
        The number of degrees of freedom that hold kinetic energy.

    >>> from ase.build import molecule
    >>> draw_velocities(molecule("CO2"), 300.0, np.random.default_rng(0))
    4
    """
    spread = np.sqrt(units.kB * temperature * atoms.get_masses())
    atoms.set_momenta(spread[:, None] * rng.standard_normal((len(atoms), 3)))
    degrees = int(atoms.get_number_of_degrees_of_freedom())
    if not atoms.constraints:
        Stationary(atoms, preserve_temperature=False)
        degrees -= 3
        if not atoms.pbc.any() and len(atoms) > 1:
            moments = atoms.get_moments_of_inertia()
            with np.errstate(invalid="ignore"):  # a linear molecule has one moment of zero
                ZeroRotation(atoms, preserve_temperature=False)
            degrees -= int((moments > 1e-6 * moments.max()).sum())
    drawn = _temperature(atoms.get_kinetic_energy(), max(degrees, 1))
    atoms.set_momenta(atoms.get_momenta() * (math.sqrt(temperature / drawn) if drawn > 0 and degrees > 0 else 0.0))
    return degrees


class _Watch:
    """Looks for a run that has left the training domain or exploded."""

    def __init__(self, domain: Domain, potential: Potential, temperature: float, degrees: int) -> None:
        self.domain = domain
        self.cutoff = potential.cutoff
        self.reference = potential.statistics.reference_energies
        self.hottest = 5 * temperature + 1000
        self.degrees = degrees
        self.worst = MAX_FORCE if domain.max_force is None else math.inf

    def __call__(self, atoms: Atoms, forces: np.ndarray, step: int) -> str | None:
        reason = self._reason(atoms, forces, step)
        return reason and f"stopped at step {step}: {reason}"

    def _reason(self, atoms: Atoms, forces: np.ndarray, step: int) -> str | None:
        if reason := self.domain.check_forces(atoms, forces):
            return reason
        norm = np.sqrt(np.einsum("ij,ij->i", forces, forces).max())
        if norm > self.worst:
            return f"a force of {norm:.0f} eV/Å: the run explodes; try a shorter time step"
        kelvin = _temperature(atoms.get_kinetic_energy(), self.degrees)
        if not kelvin < self.hottest:
            return f"the temperature is {kelvin:.0f} K: the run explodes; try a shorter time step"
        if step % CHECK_EVERY:
            return None
        energy = atoms.get_potential_energy() - sum(self.reference[symbol] for symbol in atoms.symbols)
        energy -= atoms.calc.results.get("dispersion_energy", 0.0)  # the training data's range is without it
        return self.domain.check(atoms, energy=energy if len(atoms) > 1 else None, cutoff=self.cutoff)


def _temperature(kinetic: float, degrees: int) -> float:
    return 2 * kinetic / (degrees * units.kB)


def _row(atoms: Atoms, forces: np.ndarray, step: int, fs: float, degrees: int, speed: float) -> MDRow:
    kinetic = float(atoms.get_kinetic_energy())
    strongest = float(np.linalg.norm(forces, axis=1).max())
    potential = float(atoms.get_potential_energy())
    return MDRow(step, fs, _temperature(kinetic, degrees), potential, kinetic, strongest, speed)


@contextmanager
def _writer(folder: Path) -> Iterator[Callable[[Atoms, MDRow], None]]:
    """Trajectory and table, flushed state by state: a kill loses no state that was written."""
    folder.mkdir(parents=True, exist_ok=True)
    trajectory, table = folder / "trajectory.xyz", folder / "md.csv"
    if trajectory.exists():
        raise MDError(f"{trajectory} exists: the folder holds a run already; choose another, or remove that run")
    with open(trajectory, "x", encoding="utf-8") as frames, open(table, "w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerow(COLUMNS)

        def write(atoms: Atoms, row: MDRow) -> None:
            frame = atoms.copy()
            frame.info.update(step=row.step, time_fs=row.time)
            if "energy_uncertainty" in atoms.calc.results:
                frame.info["energy_uncertainty"] = atoms.calc.results["energy_uncertainty"]
            results: dict[str, Any] = {name: atoms.calc.results[name] for name in ("energy", "forces")}
            frame.calc = SinglePointCalculator(frame, **results)
            ase.io.write(frames, frame, format="extxyz")
            frames.flush()
            values = (row.temperature, row.potential_energy, row.kinetic_energy, row.total_energy, row.max_force)
            csv.writer(lines).writerow(
                [row.step, f"{row.time:g}", *(f"{v:.8g}" for v in values), f"{row.steps_per_second:.1f}"]
            )
            lines.flush()

        yield write


def _stored_domain(potential: Potential | str | os.PathLike[str]) -> Domain:
    if isinstance(potential, Potential):
        return Domain()
    return Domain.model_validate(read_header(potential).metadata.get("domain", {}))


def _check_arguments(
    steps: int, temperature: float, ensemble: str, timestep: float, friction: float, interval: int
) -> None:
    if ensemble not in ("langevin", "nve"):
        raise MDError(f"ensemble must be 'langevin' or 'nve', got {ensemble!r}")
    limits = {
        "steps": (steps, steps >= 1),
        "temperature": (temperature, 0 <= temperature < math.inf),
        "timestep": (timestep, 0 < timestep < math.inf),
        "friction": (friction, 0 < friction < math.inf),
        "interval": (interval, interval >= 1),
    }
    for name, (value, good) in limits.items():
        if not good:
            raise MDError(f"{name} must be {'finite and ' if name == 'temperature' else ''}positive, got {value}")
