"""A training run from configuration to report."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins.environments import LightningEnvironment
from rich.console import Console

from equishare.errors import EquishareError
from equishare.potential import AtomGraph, Potential, load, save
from equishare.training.budget import Budget, default_max_time
from equishare.training.checkpointing import CheckpointError, Checkpointing, read_checkpoint
from equishare.training.config import TrainConfig
from equishare.training.config_file import to_yaml, write_text
from equishare.training.data_module import GraphDataModule, frames_per_batch
from equishare.training.evaluate import Evaluation, evaluate_graphs
from equishare.training.frames import Frame
from equishare.training.interruption import Interruption
from equishare.training.labelled_graphs import labelled_graph, statistics
from equishare.training.module import PotentialModule
from equishare.training.prepare import PreparedData, data_name, fingerprint, prepare
from equishare.training.progress import TrainingProgress
from equishare.training.run_folder import RunFolder
from equishare.training.validation import Validation

DTYPES = {"float32": torch.float32, "float64": torch.float64}

TRAIN_SAMPLE = 200
"""Training frames that the report predicts."""


@dataclass(frozen=True, eq=False)
class Run:
    """A run that is over.

    Attributes:
        folder: Where everything is.
        config: Complete, the budget and the batch size included.
        data: Frames, E0s and findings.
        evaluations: Errors of the best potential on ``valid`` and, where there is one, ``test``, and a sample of ``train``.
        interrupted: The signal that ended it, or None.
        seconds: From start to the last prediction, those before a resumption included.
        step_seconds: Mean of a training step, and of its atoms.
    """

    folder: RunFolder
    config: TrainConfig
    data: PreparedData
    evaluations: dict[str, Evaluation]
    interrupted: int | None
    seconds: float
    atoms_per_step: float
    step_seconds: float


@dataclass(frozen=True, eq=False)
class _Graphs:
    """Labelled graphs of each part."""

    train: list[AtomGraph]
    valid: list[AtomGraph]
    test: list[AtomGraph]


def fit(
    config: TrainConfig,
    *,
    resume: RunFolder | None = None,
    console: Console | None = None,
    started: float | None = None,
) -> Run:
    """Train a potential, and judge it on what it has not seen; `equishare.training.report` shows the run.

    Torch's RNG, dtype and threads stay as they are.

    Args:
        config: What to do.
        resume: A run to continue; `config` is then that run's, with another budget if wanted.
        console: Where to say what happens; None: nowhere.
        started: `time.monotonic` from which a budget in time counts; None: now.

    Raises:
        EquishareError: where the data, the folder or the checkpoint cannot be used, or the loss is no longer a number.
        OSError: if a file cannot be written.
    """
    started = time.monotonic() if started is None else started
    console = console or Console(quiet=True)
    device = choose_device(config.run.device)
    data = prepare(config)
    folder = resume or RunFolder.create(config.run.out, data_name(config))
    state = read_checkpoint(folder.checkpoint) if resume else None
    mark = fingerprint(data.split.train)
    if state is not None and state["fingerprint"] != mark:
        raise CheckpointError(
            f"the training frames are not those that the run in {folder.path} was started with; "
            "put the files back as they were, or start a new run"
        )
    cutoff, dtype = config.model.cutoff, DTYPES[config.run.dtype]
    graphs = _Graphs(*(_graphs(part, cutoff, dtype) for part in (data.split.train, data.split.valid, data.split.test)))
    config = complete(config, graphs.train)
    potential = initial_potential(config, data, graphs.train)
    write_text(folder.config, to_yaml(config))
    announce(console, config, data, potential, folder, device)

    loader = GraphDataModule(graphs.train, config.optimisation.batch_size or 1, config.run.seed)
    budget = Budget(config.budget.epochs, config.budget.max_time, len(loader.loader))
    if state is not None:
        done = budget.fraction(state["step"], state["seconds"]) >= 1
        if done:
            raise CheckpointError(
                f"the run in {folder.path} has used its budget; give a larger one with --epochs or --max-time"
            )
    module = PotentialModule(
        potential,
        config.optimisation,
        budget,
        [frame.name for frame in data.split.train],
        forces=data.has("forces"),
        stress=data.has("stress"),
        started=started,
        fingerprint=mark,
    )
    progress = TrainingProgress(console)
    train_atoms, valid_atoms, test_atoms = (
        sum(len(graph.numbers) for graph in part) for part in (graphs.train, graphs.valid, graphs.test)
    )
    sample = _sample(len(graphs.train))
    final_atoms = valid_atoms + test_atoms + round(train_atoms * len(sample) / len(graphs.train))
    names = [frame.name for frame in data.split.valid]
    validation = Validation(graphs.valid, names, folder, train_atoms, final_atoms, progress.on_row)
    with Interruption(console) as interruption, quiet():
        trainer = Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=[device.index or 0] if device.type == "cuda" else 1,
            max_epochs=config.budget.epochs or -1,
            gradient_clip_val=config.optimisation.gradient_clip,
            callbacks=[interruption, progress, validation, Checkpointing(folder.checkpoint)],
            plugins=[LightningEnvironment()],  # a cluster's scheduler is not to take over
            default_root_dir=folder.path,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        if state is None:
            budget.begun = module.seconds
        trainer.fit(module, loader, ckpt_path=folder.checkpoint if resume else None, **_SAFE)
    seconds_training = module.seconds - budget.begun
    ...
