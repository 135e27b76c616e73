"""A training run, from its configuration to the errors of what it fitted."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from equishare.atoms.properties import outputs
from equishare.clock import Clock
from equishare.devices import choose_device
from equishare.potential import Potential, load
from equishare.training.checkpoint import Checkpoints
from equishare.training.config import TrainConfig
from equishare.training.config.sections import NOISE
from equishare.training.data.batches import atoms_in
from equishare.training.data.prepare import Parts, data_name
from equishare.training.initial import initial_potential
from equishare.training.interruption import Interruption
from equishare.training.judgement import judge, work
from equishare.training.loop import Loop
from equishare.training.objective import Objective
from equishare.training.plan import Plan, make_plan
from equishare.training.pretraining.pretrain import pretrain
from equishare.training.processes import Processes, joined
from equishare.training.report.announcement import announce
from equishare.training.report.conversion import Conversion
from equishare.training.report.loggers import RunLogger, check_logger
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
    clock: Clock | None = None,
    report: bool = False,
) -> Run:
    """Train a potential, keep the best, and judge it on what it has not seen.

    Torch's RNG, dtype and threads stay as they are. With a budget in epochs, the same configuration gives the same weights,
    whether the run was interrupted and resumed or not.

    Args:
        config: What to do.
        given: Frames that are in memory, in place of the configuration's files.
        resume: A run to continue; `config` is then that run's own, with another budget if wanted.
        console: Where to say what happens; None: nowhere.
        clock: By which a budget in time counts; None: one that starts now.
        report: Whether a report will be made of the run: without it a run that is resumed is not at its end.

    Raises:
        EquishareError: if the data, the folder or the checkpoint cannot be used, or the loss is no longer a number.
        OSError: if a file cannot be written.
    """
    clock = clock or Clock()
    console = console or Console(quiet=True)
    check_logger(config.run.logger)
    with joined(config.run.devices, choose_device(config.run.device)) as (processes, device):
        console = console if processes.first else Console(quiet=True)
        folder = _folder(config, resume, processes)
        with folder.held() if processes.first else nullcontext():
            with Conversion(console) as conversion:
                continued = resume is not None
                judged = continued and folder.is_judged(report)
                plan = make_plan(
                    *(config, given, folder, processes), continued=continued, judged=judged, tell=conversion
                )
            config, data, graphs = plan.config, plan.data, plan.graphs
            pretrained = _pretrained(plan, folder, processes, console, clock)
            potential = initial_potential(config, data, graphs.train, pretrained).to(device)
            state = TrainingState(potential, config.optimisation, plan.budget, clock)
            announce(console, plan, state, folder)
            with folder.explained():
                interrupted = _train(plan, state, folder, console)
                if not processes.first:
                    sys.exit(0)  # what follows training is the first one's
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


def _folder(config: TrainConfig, resume: RunFolder | None, processes: Processes) -> RunFolder:
    """The folder of the run, made by the first process and known to all."""
    made = resume or (RunFolder.create(config.run.out, data_name(config)) if processes.first else None)
    return RunFolder(Path(processes.text_of_first(str(made.path) if made else "")))


def _pretrained(
    plan: Plan, folder: RunFolder, processes: Processes, console: Console, clock: Clock
) -> Potential | None:
    """What to start from: weights that are given, or a pretraining that the first process makes alone."""
    options = plan.config.pretraining
    if options.source is None and options.weights not in (None, NOISE):
        processes.wait()
        return load(folder.start)
    if options.source is None:
        return None
    if processes.first:
        pretrain(plan.config, plan.data, folder, fit, console, clock)
    processes.wait()
    return load(folder.pretraining.model)


def _train(plan: Plan, state: TrainingState, folder: RunFolder, console: Console) -> int | None:
    """Run the loop, from the checkpoint if there is one; the signal that ended it, or None."""
    data, graphs, options, processes = plan.data, plan.graphs, plan.config.optimisation, plan.batches.processes
    progress = TrainingProgress(console)
    settings = plan.config.model_dump(mode="json", by_alias=True)
    logger = RunLogger(plan.config.run.logger if processes.first else None, folder, settings)

    def on_row(row: dict[str, Any]) -> None:
        progress.on_row(row)
        logger.on_row(row)

    validation = Validation(
        graphs=graphs.valid,
        frames=data.split.valid,
        folder=folder,
        weights=options,
        work=work(graphs, plan.config.uncertainty.committee),
        on_row=on_row,
        on_ending=progress.on_ending,
    )
    if plan.checkpoint is not None:
        state.load_state_dict(plan.checkpoint["training"])
        validation.load_state_dict(plan.checkpoint["validation"])
    derive = {row.name: data.has(row.name) for row in outputs() if row.derived}
    atoms = atoms_in(graphs.train) / len(plan.batches) / processes.size
    with Interruption(console) as interruption, threads_for(atoms), logger:
        logger.begin(validation.rows)
        Loop(
            state=state,
            objective=Objective(state.potential, options, data.names("train"), derive, processes),
            batches=plan.batches,
            validation=validation,
            checkpoints=Checkpoints(folder.checkpoint, plan.mark),
            interruption=interruption,
            progress=progress,
        ).run()
    return interruption.signal
