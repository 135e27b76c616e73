"""Structures along a trajectory at a temperature, however their forces are computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta

FRICTION = 0.02  # 1/fs


@dataclass(frozen=True)
class Schedule:
    """When a trajectory is looked at; times in fs, in steps where nothing else is said."""

    timestep: float
    equilibration: int
    stride: int


def langevin(atoms: Atoms, temperature: float, schedule: Schedule, rng: np.random.Generator) -> Iterator[Atoms]:
    """The structure of a Langevin trajectory (T in K) after its equilibration, again and again; `atoms` itself, which moves on.

    The trajectory depends on nothing but the arguments; it starts with velocities drawn at the temperature, and its centre may move.

    >>> from ase.build import molecule
    >>> from ase.calculators.emt import EMT
    >>> water = molecule("H2O")
    >>> water.calc = EMT()
    >>> structures = langevin(water, 300.0, Schedule(0.5, 3, 2), np.random.default_rng(0))
    >>> len(next(structures))
    3
    """
    thermalize_momenta(atoms, temperature_K=temperature, rng=rng)
    dynamics = Langevin(
        atoms,
        schedule.timestep * units.fs,
        temperature_K=temperature,
        friction=FRICTION / units.fs,
        fixcm=False,
        rng=rng,
    )
    dynamics.run(schedule.equilibration)
    while True:
        dynamics.run(schedule.stride)
        yield atoms
