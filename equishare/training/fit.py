"""A training run, from its configuration to the errors of what it fitted."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from rich.console import Console

from equishare.devices import choose_device
from equishare.files import write_text
from equishare.training.budget import Budget
from equishare.training.checkpoint import CheckpointError, Checkpoints, read_checkpoint
from equishare.training.committee import check_members
from equishare.training.config import TrainConfig
from equishare.training.config.config_file import to_yaml
from equishare.training.data.batches import BatchLoader
from equishare.training.data.graph_parts import GraphParts, atoms_in
from equishare.training.data.prepare import Parts, data_name, fingerprint, prepare
from equishare.training.initial import check_labels, complete, initial_potential
from equishare.training.interruption import Interruption
from equishare.training.judgement import judge, work
from equishare.training.loop import Loop
from equishare.training.objective import Objective
from equishare.training.pretraining.pretrain import pretrain
from equishare.training.report.announcement import announce
from equishare.training.report.progress import TrainingProgress
from equishare.training.run import Run
from equishare.training.run_folder import RunFolder
from equishare.training.state import TrainingState
from equishare.training.threads import threads_for
from equishare.training.validation import Validation


def fit(
    config: TrainConfig,
    *,
    given: Parts | None = None,
    resume: RunFolder | None = None,
    console: Console | None = None,
    started: float | None = None,
) -> Run:
    """Train a potential, keep the best, and judge it on what it has not seen.

    Torch's RNG, dtype and threads stay as they are. With a budget in epochs, the same configuration gives the same weights,
    whether the run was interrupted and resumed or not.

    Args:
        config: What to do.
        given: Frames that are in memory, in place of the configuration's files.
        resume: A run to continue; `config` is then that run's own, with another budget if wanted.
        console: Where to say what happens; None: nowhere.
        started: `time.monotonic` from which a budget in time counts; None: now.

    Raises:
        EquishareError: if the data, the folder or the checkpoint cannot be used, or the loss is no longer a number.
        OSError: if a file cannot be written.
    """
    started = time.monotonic() if started is None else started
    console = console or Console(quiet=True)
    device = choose_device(config.run.device)
    folder = resume or RunFolder.create(config.run.out, data_name(config))
    try:
        check_members(config.uncertainty.committee, config.model.architecture)
        data = prepare(config, given)
        check_labels(config, data)
        graphs = GraphParts.of(data, config)
        budget_chosen = config.budget.max_time is None and config.budget.epochs is None
        config = complete(config, graphs.train)
        batches = BatchLoader(graphs.train, config.optimisation.batch_size or 1, config.run.seed)
        budget = Budget(config.budget.epochs, config.budget.max_time, len(batches))
        mark = fingerprint(data.split.train)
        checkpoint = _resumable(folder, budget, mark) if resume is not None else None
        write_text(folder.config, to_yaml(config))
    except BaseException:
        folder.remove_if_empty()
        raise

    pretrained = pretrain(config, data, folder, fit, console, started) if config.pretraining.source else None
    potential = initial_potential(config, data, graphs.train, pretrained).to(device)
    state = TrainingState(potential, config.optimisation, budget, started)
    announce(console, config, data, state, folder, budget_chosen)

    progress = TrainingProgress(console)
    validation = Validation(
        graphs=graphs.valid,
        names=data.names("valid"),
        folder=folder,
        weights=config.optimisation,
        work=work(graphs, config.uncertainty.committee),
        on_row=progress.on_row,
    )
    if checkpoint is not None:
        state.load_state_dict(checkpoint["training"])
        validation.load_state_dict(checkpoint["validation"])
    step_atoms = atoms_in(graphs.train) / len(batches)
    derive = {"forces": data.has("forces"), "stress": data.has("stress")}
    with Interruption(console) as interruption, threads_for(step_atoms):
        Loop(
            state=state,
            objective=Objective(potential, config.optimisation, data.names("train"), derive),
            batches=batches,
            validation=validation,
            checkpoints=Checkpoints(folder.checkpoint, mark),
            interruption=interruption,
            progress=progress,
        ).run()
    evaluations = judge(config, folder, data, graphs, state)
    return Run(
        folder=folder,
        config=config,
        data=data,
        evaluations=evaluations,
        interrupted=interruption.signal,
        seconds=state.seconds,
        step_milliseconds=1000 * float(np.median(state.step_seconds)) if state.step_seconds else float("nan"),
        step_atoms=step_atoms,
        device=device,
    )


def _resumable(folder: RunFolder, budget: Budget, mark: str) -> dict[str, Any] | None:
    """The checkpoint of a run, if there is one, after making sure that it fits the frames and that there is budget left."""
    if not folder.checkpoint.exists():
        return None
    checkpoint = read_checkpoint(folder.checkpoint)
    if checkpoint["fingerprint"] != mark:
        raise CheckpointError(
            f"the training frames are not those that the run in {folder.path} was started with; put the files back as they "
            "were, or start a new run"
        )
    state = checkpoint["training"]
    budget.begun, budget.reserve = state["begun"], state["reserve"]
    if budget.fraction(state["step"], state["seconds"]) >= 1:
        raise CheckpointError(
            f"the run in {folder.path} has used its budget; give a larger one with --epochs or --max-time"
        )
    return checkpoint
