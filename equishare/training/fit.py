"""A training run, from its configuration to the errors of what it fitted."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console

from equishare.atoms.properties import outputs
from equishare.devices import choose_device
from equishare.files import replacing, write_text
from equishare.potential import load
from equishare.training.budget import Budget
from equishare.training.checkpoint import CheckpointError, Checkpoints, read_checkpoint
from equishare.training.committee import check_members
from equishare.training.config import TrainConfig
from equishare.training.config.config_file import to_yaml
from equishare.training.data.batches import BatchLoader
from equishare.training.data.graph_parts import GraphParts, atoms_in
from equishare.training.data.prepare import Parts, PreparedData, data_name, fingerprint, prepare
from equishare.training.initial import check_labels, complete, initial_potential, with_methods
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
from equishare.training.weights import architecture_of


@dataclass(frozen=True, eq=False)
class _Plan:
    """What is settled before the first step.

    Attributes:
        config: Complete.
        mark: Of the training frames: a checkpoint fits no others.
        budget_chosen: The budget was not given, but follows from the size of the data.
        checkpoint: What to go on from, or None.
    """

    config: TrainConfig
    data: PreparedData
    graphs: GraphParts
    batches: BatchLoader
    budget: Budget
    mark: str
    budget_chosen: bool
    checkpoint: dict[str, Any] | None


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
    with folder.held():
        plan = _plan(config, given, folder, continued=resume is not None)
        config, data, graphs = plan.config, plan.data, plan.graphs
        pretrained = None
        if config.pretraining.source:
            pretrained = pretrain(config, data, folder, fit, console, started)
        elif config.pretraining.weights:
            pretrained = load(folder.start)
        potential = initial_potential(config, data, graphs.train, pretrained).to(device)
        state = TrainingState(potential, config.optimisation, plan.budget, started)
        announce(console, config, data, state, folder, plan.budget_chosen)
        with folder.explained():
            interrupted = _train(plan, state, folder, console)
            evaluations = judge(config, folder, data, graphs, state)
    return Run(
        folder=folder,
        config=config,
        data=data,
        evaluations=evaluations,
        interrupted=interrupted,
        seconds=state.seconds,
        step_milliseconds=1000 * float(np.median(state.step_seconds)) if state.step_seconds else float("nan"),
        step_atoms=atoms_in(graphs.train) / len(plan.batches),
        device=device,
    )


def _plan(config: TrainConfig, given: Parts | None, folder: RunFolder, continued: bool) -> _Plan:
    """Read the frames, complete the configuration and write it down; nothing is left behind where that fails."""
    try:
        config = _with_start(config, folder)
        check_members(config.uncertainty.committee, config.model.architecture)
        data = prepare(config, given)
        check_labels(config, data)
        config = with_methods(config, data)
        graphs = GraphParts.of(data, config)
        budget_chosen = config.budget.max_time is None and config.budget.epochs is None
        config = complete(config, data, graphs.train)
        batches = BatchLoader(graphs.train, config.optimisation.batch_size or 1, config.run.seed)
        budget = Budget(config.budget.epochs, config.budget.max_time, len(batches))
        mark = fingerprint(data.split.train)
        checkpoint = _resumable(folder, budget, mark) if continued else None
        if config.pretraining.weights is not None and not folder.start.exists():
            with replacing(folder.start) as beside:  # the run can be resumed where the file is gone
                shutil.copyfile(config.pretraining.weights, beside)
        write_text(folder.config, to_yaml(config))
    except BaseException:
        folder.remove_if_empty()
        raise
    return _Plan(config, data, graphs, batches, budget, mark, budget_chosen, checkpoint)


def _with_start(config: TrainConfig, folder: RunFolder) -> TrainConfig:
    """The configuration with the network of the weights to start from."""
    if config.pretraining.weights is None:
        return config
    file = str(folder.start) if folder.start.exists() else config.pretraining.weights
    load(file)  # says what is wrong with it
    return config.model_copy(update={"model": architecture_of(file, config.model)})


def _train(plan: _Plan, state: TrainingState, folder: RunFolder, console: Console) -> int | None:
    """Run the loop, from the checkpoint if there is one; the signal that ended it, or None."""
    data, graphs, options = plan.data, plan.graphs, plan.config.optimisation
    progress = TrainingProgress(console)
    validation = Validation(
        graphs=graphs.valid,
        frames=data.split.valid,
        folder=folder,
        weights=options,
        work=work(graphs, plan.config.uncertainty.committee),
        on_row=progress.on_row,
    )
    if plan.checkpoint is not None:
        state.load_state_dict(plan.checkpoint["training"])
        validation.load_state_dict(plan.checkpoint["validation"])
    derive = {row.name: data.has(row.name) for row in outputs() if row.derived}
    with Interruption(console) as interruption, threads_for(atoms_in(graphs.train) / len(plan.batches)):
        Loop(
            state=state,
            objective=Objective(state.potential, options, data.names("train"), derive),
            batches=plan.batches,
            validation=validation,
            checkpoints=Checkpoints(folder.checkpoint, plan.mark),
            interruption=interruption,
            progress=progress,
        ).run()
    return interruption.signal


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
