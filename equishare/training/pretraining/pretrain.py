"""Pretraining on many frames labelled by a cheap method, before the fit to the frames that count."""

from __future__ import annotations

from collections.abc import Callable
from shlex import quote
from typing import TYPE_CHECKING

from ase import Atoms
from rich.console import Console

from equishare.atoms.writing import write_xyz
from equishare.clock import Clock
from equishare.errors import EquishareError
from equishare.potential import Potential, load
from equishare.training.config import BudgetConfig, DataConfig, PretrainingConfig, TrainConfig
from equishare.training.data.prepare import PreparedData
from equishare.training.pretraining.difference import SHARE as DIFFERENCE
from equishare.training.pretraining.difference import known_energies, learn_difference, relabelled
from equishare.training.pretraining.sampling import sample
from equishare.training.run_folder import RunFolder

if TYPE_CHECKING:
    from equishare.training.run import Run

SAMPLING_SHARE = 0.3
"""Part of the time of pretraining that drawing its frames may take."""


class PretrainingError(EquishareError):
    """Pretraining cannot be used for the frames that follow."""


def pretrain(
    config: TrainConfig,
    data: PreparedData,
    folder: RunFolder,
    fit: Callable[..., Run],
    console: Console,
    clock: Clock,
) -> Potential:
    """The potential that the training starts from: a run of its own in the folder's ``pretraining``, made or continued.

    Frames are drawn around the training frames by GFN2-xTB, and labelled by it and by what it misses, which is learnt from the
    training frames first; or they come from a file. The network, its scale and its normalisation are what is handed on; the E0s and
    shifts of the cheap method are not.

    Args:
        config: Of the whole training, complete.
        data: The frames that count.
        folder: Of the whole training.
        fit: What makes a run (`equishare.training.fit.fit`).
        console: Where to say what happens.
        clock: Counts from when the whole training began.

    Raises:
        SamplingError: if nothing can be drawn.
        PretrainingError: if the frames hold other elements.
        KeyboardInterrupt: if a signal ended it; the training can be resumed.
    """
    inner = folder.pretraining
    options = config.pretraining
    resumable = inner.checkpoint.exists() and inner.config.exists()
    if not folder.checkpoint.exists():
        console.print("Pretraining", style="bold", highlight=False)
        try:
            if options.source == "xtb" and not folder.sampled.exists():
                _draw(config, data, folder, learn_difference(config, data, folder, fit, console), console, clock)
            source = str(folder.sampled) if options.source == "xtb" else str(options.source)
            run = fit(
                _inner_config(config, source, data, folder, clock.seconds),
                resume=inner if resumable else None,
                console=console,
            )
            if run.interrupted is not None:
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            if folder.difference.checkpoint.exists() or inner.checkpoint.exists():
                console.print(
                    f"To continue:\n  equishare train --resume {quote(str(folder.path))}", highlight=False, markup=False
                )
            raise
        console.print()
    potential = load(inner.model)
    if not set(data.elements) <= set(potential.species) <= set(data.reference.values):
        raise PretrainingError(
            f"the frames to pretrain on hold {', '.join(potential.species)}, those to train on "
            f"{', '.join(data.elements)}; both need the same elements"
        )
    return potential


def _draw(
    config: TrainConfig,
    data: PreparedData,
    folder: RunFolder,
    difference: Potential | None,
    console: Console,
    clock: Clock,
) -> None:
    """Write the frames that GFN2-xTB draws beside the run, labelled by it and the difference, if there is one."""
    import torch

    options, whole = config.pretraining, config.budget.max_time
    share = options.part(len(data.split.train))
    frames = sample(
        [Atoms(frame.atoms, info=dict(frame.conditions)) for frame in data.split.train],
        options.frames,
        options.temperatures,
        seed=config.run.seed,
        seconds=None if whole is None else SAMPLING_SHARE * share * whole,
        workers=torch.get_num_threads(),
        console=console,
    )
    if difference is not None:
        frames = relabelled(frames, difference)
    write_xyz(folder.sampled, frames)
    console.print(
        f"Drew {len(frames):,} frames at {', '.join(f'{t:g}' for t in options.temperatures)} K with GFN2-xTB in "
        f"{clock.seconds:.0f} s{'' if difference is None else ', labelled by it and what your frames say that it misses'}.",
        highlight=False,
    )


def _inner_config(
    config: TrainConfig, source: str, data: PreparedData, folder: RunFolder, seconds: float
) -> TrainConfig:
    """The configuration of the run within the run: other frames, and its share of the budget."""
    options, whole, model = config.pretraining, config.budget, config.model
    share = options.part(len(data.split.train))
    corrected = folder.difference.model.exists()
    own = known_energies(data) if corrected else None
    if options.source == "xtb":  # which labels energies and forces; what else the heads read out starts from noise
        model = model.model_copy(update={"heads": ()})
    if whole.max_time is not None:
        # the time that drawing took is its own; a floor, for the file may be long to read
        budget = BudgetConfig(max_time=max(share * whole.max_time - seconds, 0.2 * share * whole.max_time))
    else:
        passes = (whole.epochs or 1) * len(data.split.train) * share / (1 - share) * (1 - DIFFERENCE * corrected)
        budget = BudgetConfig(epochs=max(1, round(passes / max(options.frames, 1))))
    return config.model_copy(
        update={
            "data": DataConfig(train=[source], valid=0.05, test=0.0, reference_energies=own),
            "model": model,
            "pretraining": PretrainingConfig(weights=options.weights),  # noise, where that is asked for
            "optimisation": config.optimisation.model_copy(update={"rate_limit": None}),
            "budget": budget,
            "uncertainty": config.uncertainty.model_copy(update={"committee": 0}),
            "run": config.run.model_copy(update={"out": str(folder.pretraining.path), "devices": 1}),
        }
    )
