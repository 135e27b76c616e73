"""Dynamics of the potential beside the labelling method's own, where that is fast enough: the distances between atoms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.calculators.calculator import CalculationFailed, Calculator, all_changes

from equishare.atoms.neighbours import neighbour_list
from equishare.datasets.langevin import Schedule, langevin
from equishare.learning.campaign import Campaign
from equishare.learning.labelling.outcome import Refused
from equishare.learning.labelling.pool import LabelPool
from equishare.learning.ledger import bare, read_all
from equishare.simulate.md.velocities import default_timestep
from equishare.training.report.figures import BLUE, VERMILLION, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FRAMES = 150
_EQUILIBRATION, _STRIDE = 300, 10
_CALLS = _EQUILIBRATION + FRAMES * _STRIDE
ALLOWED = 30.0
"""Seconds that the labelling method's dynamics may take; a twentieth of the time, where that is limited and less."""
_REACH = 6.0  # Å


class InOtherProcess(Calculator):
    """The labelling method as a calculator: it runs, and may hang, in another process.

    Raises:
        CalculationFailed: on calculation, where the label fails.
    """

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 (ASE's name and type)

    def __init__(self, pool: LabelPool) -> None:
        super().__init__()
        self.pool = pool

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Compute energy and forces."""
        super().calculate(atoms, properties, system_changes)
        outcomes = [outcome for _, outcome in self.pool.label([("dynamics", bare(atoms or Atoms()))])]
        if isinstance(outcomes[0], Refused):
            raise CalculationFailed(outcomes[0].reason)
        self.results = {"energy": outcomes[0].energy, "forces": outcomes[0].forces}


def own_dynamics(campaign: Campaign, temperature: float) -> list[Atoms]:
    """Frames of the labelling method's dynamics from the start; none where it is too slow or fails."""
    times = [float(atoms.info["seconds"]) for atoms in campaign.ledger.labelled]
    whole = campaign.settings.max_time
    # beyond the label itself a call costs two messages between processes
    if (float(np.median(times)) + 2e-3) * _CALLS > min(ALLOWED, 0.05 * whole if whole else ALLOWED):
        return []
    atoms = bare(campaign.starts[0])
    atoms.calc = InOtherProcess(campaign.labels)
    schedule = Schedule(default_timestep(atoms), _EQUILIBRATION, _STRIDE)
    rng = np.random.default_rng(campaign.settings.seed)
    try:
        return [bare(frame) for frame in islice(langevin(atoms, temperature, schedule, rng), FRAMES)]
    except CalculationFailed:
        return []


def distances_beside(campaign: Campaign) -> Figure | None:
    """Distribution of the distances up to 6 Å, at the highest temperature, of both; None where there are not both."""
    temperature = max(campaign.settings.temperatures)
    path = campaign.folder.dynamics / f"{temperature:g}K" / "trajectory.xyz"
    ours = read_all(path)
    ours = ours[len(ours) // 5 :]
    theirs = own_dynamics(campaign, temperature) if len(ours) >= 20 else []
    if not theirs:
        return None
    with new_figure(size=(5.6, 3.0)) as (figure, (axis,)):
        edges = np.linspace(0.6, _REACH, 109)
        for name, frames, colour in (("labelling method", theirs, VERMILLION), ("potential", ours, BLUE)):
            axis.stairs(
                _density(frames, edges), edges, color=colour, label=f"{name}, {len(frames)} frames", linewidth=1.3
            )
        axis.set_xlabel("distance, Å")
        axis.set_ylabel("pairs an atom and Å")
        axis.set_title(f"Distances at {temperature:g} K")
        axis.legend(fontsize=8)
    return figure


def _density(frames: Sequence[Atoms], edges: np.ndarray) -> np.ndarray:
    lengths = np.concatenate([neighbour_list(atoms, _REACH).distances for atoms in frames])
    atoms = sum(len(each) for each in frames)
    return np.histogram(lengths, edges)[0] / (atoms * np.diff(edges))
