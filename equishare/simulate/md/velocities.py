"""Velocities to start from."""

import math

import numpy as np
from ase import Atoms, units
from ase.md.velocitydistribution import Stationary, ZeroRotation

from equishare.simulate.md.rows import kelvin
from equishare.simulate.md.settings import MDError


def default_timestep(atoms: Atoms) -> float:
    """Time step in fs: 0.5 where there is hydrogen, else 1.

    >>> from ase.build import molecule
    >>> default_timestep(molecule("H2O"))
    0.5
    """
    return 0.5 if 1 in atoms.numbers else 1.0


def start_velocities(atoms: Atoms, temperature: float, rng: np.random.Generator, new: bool) -> tuple[int, str]:
    """Keep the momenta that atoms have, or draw some: (degrees of freedom that hold kinetic energy, what was done in words).

    Raises:
        MDError: if the momenta are not finite.
    """
    momenta = atoms.get_momenta()
    if not np.isfinite(momenta).all():
        raise MDError("the momenta of the structure are not finite; remove them, or draw new velocities")
    if new or not momenta.any():
        return draw_velocities(atoms, temperature, rng), f"velocities drawn at {temperature:g} K"
    degrees = free_degrees(atoms)
    found = kelvin(atoms.get_kinetic_energy(), max(degrees, 1))
    return degrees, f"velocities of the structure, {found:.0f} K"


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
    if not atoms.constraints:
        Stationary(atoms, preserve_temperature=False)
        if not atoms.pbc.any() and len(atoms) > 1:
            with np.errstate(invalid="ignore"):  # a linear molecule has one moment of zero
                ZeroRotation(atoms, preserve_temperature=False)
    degrees = free_degrees(atoms)
    drawn = kelvin(atoms.get_kinetic_energy(), max(degrees, 1))
    atoms.set_momenta(atoms.get_momenta() * (math.sqrt(temperature / drawn) if drawn > 0 and degrees > 0 else 0.0))
    return degrees


def free_degrees(atoms: Atoms) -> int:
    """Degrees of freedom that hold kinetic energy as atoms move now: without the translation and rotation that nobody does."""
    degrees = int(atoms.get_number_of_degrees_of_freedom())
    momenta = atoms.get_momenta()
    if atoms.constraints:
        return degrees
    size = np.abs(momenta).sum()
    if np.abs(momenta.sum(axis=0)).max() <= 1e-6 * size:
        degrees -= 3
    if not atoms.pbc.any() and len(atoms) > 1:
        centred = atoms.positions - atoms.get_center_of_mass()
        turning = np.abs(np.cross(centred, momenta).sum(axis=0)).max()
        if turning <= 1e-6 * size * max(np.abs(centred).max(), 1e-12):
            moments = atoms.get_moments_of_inertia()
            degrees -= int((moments > 1e-6 * moments.max()).sum())
    return degrees
