"""Draw configurations: by GFN2-xTB or displacements where there is no potential yet, then by dynamics with the potential."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units

from equishare.learning.bonds import Bonds
from equishare.learning.campaign import Campaign
from equishare.learning.cheap import xtb_suits
from equishare.learning.ledger import bare
from equishare.potential.domain import Domain
from equishare.simulate.ase_calculator import EquishareCalculator
from equishare.simulate.md.integrators import integrator
from equishare.simulate.md.settings import MDSettings
from equishare.simulate.md.velocities import default_timestep, draw_velocities
from equishare.training.pretraining.sampling import SamplingError, sample

STRIDE = 10.0
"""Time between two configurations of a trajectory, in fs."""
POOL = 8
"""Configurations in the pool for each that will be asked for."""
TOO_UNCERTAIN = 0.25
"""Part of the labels' root mean square force that the uncertainty may reach before a trajectory is stopped."""
_FRICTION = 0.02  # 1/fs


@dataclass(frozen=True, eq=False)
class Drawn:
    """What was drawn.

    Attributes:
        pool: Configurations.
        left: Why trajectories were stopped.
        apart: Configurations that are other molecules than the start; ``info["reason"]`` says why.
    """

    pool: list[Atoms]
    left: list[str]
    apart: list[Atoms]


def draw(campaign: Campaign) -> Drawn:
    """Configurations of this round, several for each that may be asked for."""
    if campaign.potential is None:
        return first(campaign)
    return by_dynamics(campaign)


def first(campaign: Campaign) -> Drawn:
    """From GFN2-xTB, if it is installed and fast enough, else by displacing atoms (and straining cells)."""
    settings, starts = campaign.settings, campaign.starts
    count = 2 * settings.first
    images: list[Atoms] = []
    if xtb_suits(starts):
        try:
            images = sample(starts, count, settings.temperatures, seed=settings.seed, workers=settings.workers)
        except SamplingError:
            images = []  # an element without parameters, or no convergence: displacements will do
    how = "GFN2-xTB" if images else "displacements"
    if not images:
        images = list(displaced(campaign, count))
    campaign.console.print(f"Drew {len(images)} first configurations by {how}.", highlight=False)
    pool, apart = [], []
    for image in images:
        image = _of_start(bare(image), starts, source=how)
        if reason := Bonds(_like(starts, image)).changed(image):
            image.info["reason"] = reason
            apart.append(image)
        else:
            pool.append(image)
    return Drawn(pool, [], apart)


def displaced(campaign: Campaign, count: int) -> Iterator[Atoms]:
    """Starts with displaced atoms, as far as the temperatures move bonds, and strained cells."""
    rng = campaign.rng("displace")
    for k in range(count):
        image = bare(campaign.starts[k % len(campaign.starts)])
        hottest = campaign.settings.temperatures[k % len(campaign.settings.temperatures)]
        # a bond of 30 eV/Å^2, in the middle between those of light molecules and metals
        spread = math.sqrt(units.kB * hottest / 30.0) * rng.uniform(0.5, 2.0)
        if image.pbc.all():
            strain = rng.normal(scale=0.01, size=(3, 3))
            image.set_cell(image.cell.array @ (np.eye(3) + 0.5 * (strain + strain.T)), scale_atoms=True)
        image.positions += rng.normal(scale=spread, size=image.positions.shape)
        yield image


def by_dynamics(campaign: Campaign) -> Drawn:
    """Trajectories with the potential, from the starts and from labelled frames, stopped where they leave what is known."""
    settings, rng = campaign.settings, campaign.rng("draw")
    wanted = POOL * max(10, len(campaign.ledger) // 4)
    per_trajectory = max(1, round(1000 * settings.picoseconds / STRIDE))
    known = [frame.atoms for frame in campaign.ledger.frames()]
    watch = _Watch(campaign)
    drawn = Drawn([], [], [])
    tries = max(2 * math.ceil(wanted / per_trajectory), 2 * len(settings.temperatures))
    for k in range(tries):
        temperature = settings.temperatures[k % len(settings.temperatures)]
        origin = campaign.starts if k % 2 == 0 else known
        start = origin[int(rng.integers(len(origin)))]
        trajectory(campaign, bare(start), temperature, np.random.default_rng(rng.integers(2**63)), watch, drawn)
        if len(drawn.pool) >= wanted and k + 1 >= len(settings.temperatures):
            break
    return drawn


def trajectory(
    campaign: Campaign, atoms: Atoms, temperature: float, rng: np.random.Generator, watch: _Watch, drawn: Drawn
) -> None:
    """Add the configurations of one trajectory to what was drawn."""
    settings = campaign.settings
    atoms.info = dict(_like(campaign.starts, atoms).info)  # a potential that is told charge and spin needs them
    timestep = default_timestep(atoms)
    pressure = settings.pressure if atoms.pbc.all() else None
    chosen = MDSettings(
        temperature=temperature,
        ensemble="langevin" if pressure is None else "npt",
        friction=_FRICTION,
        pressure=pressure or 0.0,
    )
    atoms.calc = watch.calculator
    bonds = Bonds(_like(campaign.starts, atoms))
    draw_velocities(atoms, temperature, rng)
    forces = atoms.get_forces()
    dynamics = integrator(atoms, chosen, timestep, rng)
    stride = max(1, round(STRIDE / timestep))
    for number in range(1, round(1000 * settings.picoseconds / STRIDE) + 1):
        campaign.check_signals()
        for _ in range(stride):
            forces = dynamics.step(forces)
            if not np.isfinite(forces).all() or np.abs(forces).max() > watch.largest:
                drawn.left.append(f"{temperature:g} K, after {number * STRIDE:g} fs: the forces explode")
                return
        image = _of_start(bare(atoms), campaign.starts, temperature=temperature, time_fs=number * STRIDE)
        when = f"{temperature:g} K, after {number * STRIDE:g} fs"
        if reason := bonds.changed(image):
            image.info["reason"] = reason
            drawn.apart.append(image)
            drawn.left.append(f"{when}: {reason}")
            return
        if reason := watch.domain.check(image, cutoff=watch.cutoff):
            drawn.left.append(f"{when}: {reason}")
            return
        drawn.pool.append(image)
        spread = watch.spread(atoms)
        if spread > watch.limit:
            drawn.left.append(f"{when}: forces are uncertain by {1000 * spread:.0f} meV/Å")
            return


class _Watch:
    """What is known: the range of the labelled frames, and how uncertain forces may be."""

    def __init__(self, campaign: Campaign) -> None:
        potential = campaign.potential
        if potential is None:
            raise ValueError("expected a campaign with a potential")
        frames = campaign.ledger.frames()
        forces = [frame.forces for frame in frames if frame.forces is not None]
        size = float(np.sqrt(np.mean(np.concatenate(forces) ** 2))) if forces else 1.0
        self.calculator = EquishareCalculator(potential)
        self.cutoff = potential.cutoff
        self.domain = Domain.of(frames, cutoff=potential.cutoff)
        self.largest = 5 * max(float(np.abs(f).max()) for f in forces) if forces else 100.0
        self.limit = max(TOO_UNCERTAIN * size, 5 * campaign.settings.accuracy)
        self.known = potential.committee is not None

    def spread(self, atoms: Atoms) -> float:
        """Root mean square uncertainty of the forces in eV/Å; 0 where the potential does not know."""
        if not self.known:
            return 0.0
        found = self.calculator.get_property("forces_uncertainty", atoms)
        return float(np.sqrt(np.mean(np.square(found))))


def _like(starts: list[Atoms], atoms: Atoms) -> Atoms:
    """The start with these atoms."""
    return next((start for start in starts if np.array_equal(start.numbers, atoms.numbers)), atoms)


def _of_start(image: Atoms, starts: list[Atoms], **info: object) -> Atoms:
    """With the charge, spin and so on of its start."""
    image.info = {**_like(starts, image).info, **info}
    return image
