"""ASE's integrators under one interface: a step, and the state that lies between two."""

from typing import Any, Protocol

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.langevinbaoab import LangevinBAOAB
from ase.md.verlet import VelocityVerlet

from equishare.simulate.md.settings import MDError, MDSettings


class Integrator(Protocol):
    """Moves atoms by one time step."""

    def step(self, forces: np.ndarray) -> np.ndarray:
        """From the forces at the start of the step to those at its end."""
        ...

    def state(self) -> dict[str, Any]:
        """What the next step depends on besides the atoms, as JSON can hold it."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state."""
        ...


def check_cell(atoms: Atoms, settings: MDSettings) -> None:
    """Raise where an ensemble needs a cell that is not there.

    Raises:
        MDError: for constant pressure without a periodic cell.
    """
    if settings.ensemble == "npt" and (not atoms.pbc.all() or atoms.cell.rank < 3):
        raise MDError(
            "constant pressure needs a cell that is periodic along all three vectors, got "
            f"pbc {atoms.pbc.tolist()} and the cell {atoms.cell.array.tolist()}; use langevin or nve"
        )


def integrator(atoms: Atoms, settings: MDSettings, timestep: float, rng: np.random.Generator) -> Integrator:
    """The one for an ensemble."""
    if settings.ensemble == "npt":
        return _ConstantPressure(atoms, settings, timestep, rng)
    if settings.ensemble == "nve":
        return _Plain(VelocityVerlet(atoms, timestep * units.fs), rng)
    thermostat = Langevin(
        atoms,
        timestep * units.fs,
        temperature_K=settings.temperature,
        friction=settings.friction / units.fs,
        fixcm=False,
        rng=rng,
    )
    return _Plain(thermostat, rng)


class _Plain:
    """Verlet and Langevin: nothing but the random numbers lies between two steps."""

    def __init__(self, dynamics: VelocityVerlet | Langevin, rng: np.random.Generator) -> None:
        self.dynamics, self.rng = dynamics, rng

    def step(self, forces: np.ndarray) -> np.ndarray:
        return self.dynamics.step(forces)

    def state(self) -> dict[str, Any]:
        return {"rng": self.rng.bit_generator.state}

    def restore(self, state: dict[str, Any]) -> None:
        self.rng.bit_generator.state = state["rng"]


class _ConstantPressure:
    """Langevin for atoms and volume (Quigley and Probert 2004) in BAOAB's order."""

    def __init__(self, atoms: Atoms, settings: MDSettings, timestep: float, rng: np.random.Generator) -> None:
        relax = units.fs / settings.friction
        heavy = (
            (5 * relax / (1.66 * units.fs)) * len(atoms) ** (1 / 6)
        ) ** 2  # ASE's rule, which warns when it is used
        self.atoms, self.rng = atoms, rng
        self.dynamics = LangevinBAOAB(
            atoms,
            timestep * units.fs,
            temperature_K=settings.temperature,
            externalstress=-settings.pressure * units.bar,
            hydrostatic=True,
            T_tau=relax,
            P_tau=20 * relax,
            P_mass=heavy,
            rng=rng,
        )

    def step(self, forces: np.ndarray) -> np.ndarray:
        self.dynamics.step()
        return self.atoms.get_forces(md=True)

    def state(self) -> dict[str, Any]:
        # the force on the volume holds the kinetic energy at half a step: it cannot be computed again
        own = {"p_eps": float(self.dynamics.p_eps), "force_eps": float(self.dynamics.force_eps)}
        return {"rng": self.rng.bit_generator.state} | own

    def restore(self, state: dict[str, Any]) -> None:
        self.rng.bit_generator.state = state["rng"]
        self.dynamics.p_eps, self.dynamics.force_eps = state["p_eps"], state["force_eps"]
