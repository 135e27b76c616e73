"""Whether dynamics with the learnt potential survive."""

from __future__ import annotations

import shutil
from dataclasses import replace

from equishare.learning.campaign import Campaign, Learnt
from equishare.simulate.md import MDSettings, run_md
from equishare.simulate.md.velocities import default_timestep

PICOSECONDS = 10.0
"""Length of the dynamics at each temperature, as far as the time allows."""
_SHARE = 0.1
"""Part of the time that they may take."""
_TRIAL = 200


def survive(campaign: Campaign, learnt: Learnt) -> Learnt:
    """Run dynamics from the start at each temperature; a sentence on each. After a signal there are none."""
    if learnt.interrupted:
        return learnt
    shutil.rmtree(campaign.folder.dynamics, ignore_errors=True)
    return replace(learnt, dynamics=tuple(_run(campaign, t) for t in campaign.settings.temperatures))


def _run(campaign: Campaign, temperature: float) -> str:
    settings, start = campaign.settings, campaign.starts[0].copy()
    pressure = settings.pressure if start.pbc.all() else None
    chosen = MDSettings(
        temperature=temperature,
        ensemble="langevin" if pressure is None else "npt",
        pressure=pressure or 1.0,
        seed=settings.seed,
        interval=20,
    )
    timestep = default_timestep(start)
    steps = round(1000 * PICOSECONDS / timestep)
    out = campaign.folder.dynamics / f"{temperature:g}K"
    if settings.max_time is not None:
        trial = run_md(campaign.folder.model, start, _TRIAL, out.with_name("trial"), chosen)
        shutil.rmtree(trial.folder)
        if trial.stopped:
            return f"{temperature:g} K: {trial.stopped}"
        allowed = _SHARE * settings.max_time / len(settings.temperatures)
        steps = max(_TRIAL, min(steps, int(allowed * trial.rows[-1].steps_per_second)))
    result = run_md(campaign.folder.model, start, steps, out, chosen)
    if result.stopped:
        return f"{temperature:g} K: {result.stopped}"
    return f"{temperature:g} K: {result.rows[-1].time / 1000:.3g} ps from the start, inside of what is known to the end"
