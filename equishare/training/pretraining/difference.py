"""What GFN2-xTB misses, learnt from the frames that count: frames that it draws are then labelled on their level."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from rich.console import Console

from equishare.atoms import Frame
from equishare.potential import Potential, load
from equishare.potential.base import BaseError
from equishare.training.config import BudgetConfig, DataConfig, PretrainingConfig, TrainConfig
from equishare.training.config.sections import NOISE
from equishare.training.data.base_values import without_base
from equishare.training.data.prepare import IN_MEMORY, Parts, PreparedData
from equishare.training.run_folder import RunFolder

if TYPE_CHECKING:
    from equishare.training.run import Run

SHARE = 0.3
"""Part of pretraining that the difference takes."""
WORTH = 0.8
"""Of the error of xTB alone: what is no better is not used."""
_FRAMES = 500
"""Frames that it is learnt from at most: it is smooth, and each costs a calculation."""


def learn_difference(
    config: TrainConfig, data: PreparedData, folder: RunFolder, fit: Callable[..., Run], console: Console
) -> Potential | None:
    """A potential that adds to GFN2-xTB (``--base xtb``), fitted to the frames that count in the folder's ``difference``, made or continued.

    None where the frames are of several methods. None, which is said, where they hold what xTB cannot compute, or where the forces of
    validation frames are no better than those of xTB alone; the folder is then gone.

    Raises:
        KeyboardInterrupt: if a signal ended it.
    """
    if config.model.methods or importlib.util.find_spec("tblite") is None:  # drawing says what is missing
        return None
    inner = folder.difference
    train = data.split.train
    frames = [train[k] for k in range(0, len(train), -(-len(train) // _FRAMES))]
    valid = [data.split.valid[k] for k in range(min(len(data.split.valid), _FRAMES // 10))]
    try:
        run = fit(
            _config(config, data, inner, len(frames)),
            given=Parts(frames, valid, 0.0),
            resume=inner if inner.checkpoint.exists() and inner.config.exists() else None,
            console=Console(quiet=True),
        )
    except BaseError as error:
        _leave_out(inner, console, str(error))
        return None
    if run.interrupted is not None:
        raise KeyboardInterrupt
    potential = load(inner.model)
    missed = [frame.forces for frame in without_base(valid, potential.config) if frame.forces is not None]
    if not missed:
        _leave_out(inner, console, "no validation frame has forces")
        return None
    plain, ours = float(np.sqrt(np.mean(np.concatenate(missed) ** 2))), run.evaluations["valid"].errors["forces"].rmse
    if not ours < WORTH * plain:
        said = f"off by {1000 * ours:.0f} meV/Å with what it misses, by {1000 * plain:.0f} without"
        _leave_out(inner, console, said)
        return None
    return potential


def _leave_out(inner: RunFolder, console: Console, reason: str) -> None:
    """Say why, and remove what there is of it."""
    shutil.rmtree(inner.path, ignore_errors=True)
    console.print(f"Drawn frames keep the labels of GFN2-xTB: {reason}", highlight=False, markup=False)


def known_energies(data: PreparedData) -> dict[str, float] | None:
    """E0s that are no fit to the energies of frames: those of what xTB misses are others."""
    values, origins = data.reference.values, data.reference.origins
    return {symbol: value for symbol, value in values.items() if origins[symbol] != "least squares"} or None


def relabelled(frames: Sequence[Atoms], potential: Potential) -> list[Atoms]:
    """The same frames with energies and forces of a potential."""
    found = []
    for atoms, said in zip(
        frames, potential.predict([Atoms(each, info=dict(each.info)) for each in frames]), strict=True
    ):
        frame = atoms.copy()
        frame.calc = SinglePointCalculator(frame, energy=float(said["energy"]), forces=said["forces"])
        found.append(frame)
    return found


def _config(config: TrainConfig, data: PreparedData, inner: RunFolder, count: int) -> TrainConfig:
    """The configuration of the run that learns the difference."""
    share, whole = config.pretraining.part(len(data.split.train)), config.budget
    if whole.max_time is not None:
        budget = BudgetConfig(max_time=SHARE * share * whole.max_time)
    else:
        passes = (whole.epochs or 1) * len(data.split.train) * share / (1 - share)
        budget = BudgetConfig(epochs=max(1, round(SHARE * passes / count)))
    return config.model_copy(
        update={
            "data": DataConfig(train=[IN_MEMORY], valid=[IN_MEMORY], test=0.0, reference_energies=known_energies(data)),
            "model": config.model.model_copy(
                update={"heads": (), "base": "xtb", "conditions": _states(config, data.split.train)}
            ),
            "pretraining": PretrainingConfig(weights=NOISE),
            "optimisation": config.optimisation.model_copy(update={"rate_limit": None}),
            "budget": budget,
            "uncertainty": config.uncertainty.model_copy(update={"committee": 0}),
            "run": config.run.model_copy(update={"out": str(inner.path), "devices": 1, "logger": None}),
        }
    )


def _states(config: TrainConfig, frames: Sequence[Frame]) -> tuple[str, ...]:
    """Conditions: those of the training, and what the frames say of charge and spin, which xTB is told as well."""
    said = {name for frame in frames for name in frame.conditions} & {"charge", "spin"}
    return tuple(dict.fromkeys((*config.model.conditions, *sorted(said))))
