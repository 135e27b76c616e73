"""What a potential costs in dynamics on this machine, and the preset that keeps to a wish."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms

from equishare.atoms.frame import Frame
from equishare.atoms.neighbours import neighbour_list
from equishare.errors import EquishareError
from equishare.potential import PRESETS, Potential
from equishare.potential.arrays import ArrayPotential, Structure
from equishare.training.config import ModelChoice, TrainConfig
from equishare.training.processes import ALONE, Processes
from equishare.training.threads import threads_for

TIMED_ATOMS = 200
_GAP = 6.0
_REPEATS = 5


class SpeedError(EquishareError):
    """No preset is as fast as asked for."""


def microseconds_per_atom(potential: Potential, atoms: Atoms) -> float:
    """CPU time of energy and forces an atom, on one core, as dynamics compute them: the least of a few calls, after one that compiles.

    Without the neighbour list, and on a structure of `repeated` without what a call costs whatever its size.
    """
    pairs = neighbour_list(atoms, potential.cutoff)
    given = Structure(atoms.numbers, pairs.vectors, pairs.sender, pairs.receiver)
    times = []
    with threads_for(atoms=1):
        arrays = ArrayPotential(potential.eval())
        for _ in range(1 + _REPEATS):
            begun = time.thread_time()
            arrays(given)
            times.append(time.thread_time() - begun)
    return 1e6 * min(times[1:]) / len(atoms)


def repeated(atoms: Atoms, n_atoms: int = TIMED_ATOMS) -> Atoms:
    """About so many atoms: a periodic cell repeated, a molecule side by side with its like, too far apart to meet.

    >>> from ase.build import bulk, molecule
    >>> len(repeated(bulk("Cu"))), len(repeated(molecule("H2O")))
    (216, 201)
    """
    copies = max(1, round(n_atoms / len(atoms)))
    if atoms.pbc.all():
        each = round(copies ** (1 / 3))
        return atoms.repeat((each, each, max(1, round(copies / each**2))))
    width = float(np.ptp(atoms.positions[:, 0])) + _GAP
    numbers, positions = np.tile(atoms.numbers, copies), np.tile(atoms.positions, (copies, 1))
    positions[:, 0] += width * np.repeat(np.arange(copies), len(atoms))
    return Atoms(numbers, positions)


def with_speed(
    config: TrainConfig, frames: Sequence[Frame], processes: Processes = ALONE
) -> tuple[TrainConfig, float | None]:
    """The configuration with the most accurate preset that keeps to ``model.speed``, and the microseconds an atom that it takes here.

    Timed with random weights on a frame of median size; what else the configuration says of the model, such as its cutoff, holds for
    every preset. Where no speed is asked for nothing changes. Of processes that train together the first one chooses for all.

    Raises:
        SpeedError: if no preset keeps to it.
    """
    wish = config.model.speed
    if wish is None:
        return config, None
    own = json.dumps(_choose(config, frames, wish)) if processes.first else ""
    found = json.loads(processes.text_of_first(own))
    return config.model_copy(update={"model": ModelChoice(**found["model"])}), found["took"]


def _choose(config: TrainConfig, frames: Sequence[Frame], wish: float) -> dict[str, Any]:
    """Settings of the model, and the microseconds that it takes."""
    atoms = repeated(sorted((frame.atoms for frame in frames), key=len)[len(frames) // 2])
    own = {name: getattr(config.model, name) for name in config.model.model_fields_set - {"preset_name", "speed"}}
    found: list[str] = []
    for name in reversed(PRESETS):
        choice = ModelChoice(**{**own, "preset": name})
        potential = Potential(choice.architecture, dict.fromkeys(sorted(set(atoms.symbols)), 0.0))
        took = microseconds_per_atom(potential, atoms)
        if took <= wish:
            return {"model": choice.model_dump(mode="json", by_alias=True, exclude_unset=True), "took": took}
        found.append(f"{name} {took:.0f}")
    raise SpeedError(
        f"no preset takes at most {wish:g} µs an atom on this machine ({', '.join(found)}); ask for a larger --speed, or for a smaller --cutoff"
    )
