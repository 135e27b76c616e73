"""A training run, from its configuration to the errors of what it fitted."""

from __future__ import annotations

import inspect as python_inspect
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins.environments import LightningEnvironment
from rich.console import Console

from equishare.atoms.frame import Frame
from equishare.files import write_text
from equishare.potential import AtomGraph, load, save
from equishare.potential.domain import Domain
from equishare.training.budget import Budget
from equishare.training.checkpointing import CheckpointError, Checkpointing, read_checkpoint
from equishare.training.committee import ATOMS, add_committee, check_members
from equishare.training.config import TrainConfig
from equishare.training.config_file import to_yaml
from equishare.training.data_module import GraphDataModule
from equishare.training.evaluate import Evaluation, evaluate_graphs
from equishare.training.initial import DTYPES, check_labels, choose_device, complete, initial_potential
from equishare.training.interruption import Interruption
from equishare.training.labelled_graphs import labelled_graph
from equishare.training.module import PotentialModule
from equishare.training.prepare import PreparedData, data_name, fingerprint, prepare
from equishare.training.pretraining import pretrain
from equishare.training.progress import TrainingProgress, announce
from equishare.training.quiet import quiet
from equishare.training.run_folder import RunFolder
from equishare.training.validation import Validation

TRAIN_SAMPLE = 200
"""Training frames that are predicted after training, to set the errors on the others against."""


@dataclass(frozen=True, eq=False)
class Run:
    """A training that is over.

    Attributes:
        folder: Where everything is.
        config: Complete: budget and batch size included.
        data: Frames, E0s and findings.
        evaluations: Errors of the best potential on ``train`` (a sample), ``valid`` and, where there is one, ``test``.
        interrupted: The signal that ended it, or None.
        seconds: From start to the last prediction, those before a resumption included.
        step_milliseconds: Median of the training steps.
        step_atoms: Atoms in a step, on average.
        device: Where it ran.
    """

    folder: RunFolder
    config: TrainConfig
    data: PreparedData
    evaluations: dict[str, Evaluation]
    interrupted: int | None
    seconds: float
    step_milliseconds: float
    step_atoms: float
    device: torch.device


@dataclass(frozen=True, eq=False)
class _Graphs:
    train: list[AtomGraph]
    valid: list[AtomGraph]
    test: list[AtomGraph]
    sample: list[int]

    def final_atoms(self, members: int) -> int:
        """Atoms to predict after training; a committee predicts its members' forces too, and is made of the training frames."""
        held_out, sample = atoms_in([*self.valid, *self.test]), atoms_in([self.train[index] for index in self.sample])
        if not members:
            return held_out + sample
        # a backward pass is about two thirds of a prediction; three energies in float64 are about two predictions
        again = atoms_in(self.valid)
        return round((held_out + again) * (1 + 0.7 * members)) + sample + 2 * min(atoms_in(self.train), ATOMS)


def atoms_in(graphs: Sequence[AtomGraph]) -> int:
    """Number of atoms in all."""
    return sum(len(graph.numbers) for graph in graphs)


def fit(
    config: TrainConfig,
    *,
    resume: RunFolder | None = None,
    console: Console | None = None,
    started: float | None = None,
) -> Run:
    """Train a potential, keep the best, and judge it on what it has not seen.

    Torch's RNG, dtype and threads stay as they are. With a budget in epochs, the same configuration gives the same weights,
    whether the run was interrupted and resumed or not.

    Args:
        config: What to do.
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
        data = prepare(config)
        check_labels(config, data)
        graphs = _graphs(config, data)
        chosen = config.budget.max_time is None and config.budget.epochs is None
        config = complete(config, graphs.train)
        mark = fingerprint(data.split.train)
        loader = GraphDataModule(graphs.train, config.optimisation.batch_size or 1, config.run.seed)
        budget = Budget(config.budget.epochs, config.budget.max_time, len(loader.loader))
        continued = resume is not None and folder.checkpoint.exists()
        if continued:
            _check_resumption(folder, budget, mark)
        write_text(folder.config, to_yaml(config))
    except BaseException:
        folder.remove_if_empty()
        raise
    pretrained = None
    if config.pretraining.source is not None:
        pretrained = pretrain(config, data, folder, fit, console, started)
    potential = initial_potential(config, data, graphs.train, pretrained)
    announce(console, config, data, potential, folder, device, chosen)
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
    validation = Validation(
        graphs.valid,
        [frame.name for frame in data.split.valid],
        folder,
        atoms_in(graphs.train),
        graphs.final_atoms(config.uncertainty.committee),
        progress.on_row,
    )
    with Interruption(console) as interruption:
        callbacks = [interruption, validation, Checkpointing(folder.checkpoint), progress]
        _train(module, loader, callbacks, config, device, folder, continued)
    evaluations = _evaluate(config, folder, data, graphs, module, device)
    return Run(
        folder=folder,
        config=config,
        data=data,
        evaluations=evaluations,
        interrupted=interruption.signal,
        seconds=module.seconds,
        step_milliseconds=1000 * float(np.median(module.step_seconds)) if module.step_seconds else float("nan"),
        step_atoms=atoms_in(graphs.train) / len(loader.loader),
        device=device,
    )


def _train(
    module: PotentialModule,
    loader: GraphDataModule,
    callbacks: list[Any],
    config: TrainConfig,
    device: torch.device,
    folder: RunFolder,
    resume: bool,
) -> None:
    # Lightning before 2.6 does not know the argument; the file was checked before in any case
    safe: dict[str, Any] = (
        {"weights_only": True} if "weights_only" in python_inspect.signature(Trainer.fit).parameters else {}
    )
    with quiet():
        trainer = Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=[device.index] if device.type == "cuda" else 1,
            max_epochs=config.budget.epochs or -1,
            gradient_clip_val=config.optimisation.gradient_clip,
            callbacks=callbacks,
            plugins=[LightningEnvironment()],  # the scheduler of a cluster is not to take over
            default_root_dir=folder.path,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(module, loader, ckpt_path=str(folder.checkpoint) if resume else None, **safe)


def _graphs(config: TrainConfig, data: PreparedData) -> _Graphs:
    cutoff, dtype = config.model.cutoff, DTYPES[config.run.dtype]
    parts = [
        [labelled_graph(frame, cutoff, dtype) for frame in part]
        for part in (data.split.train, data.split.valid, data.split.test)
    ]
    n = len(parts[0])
    sample = np.unique(np.linspace(0, n - 1, min(n, TRAIN_SAMPLE)).round().astype(int)).tolist()
    return _Graphs(parts[0], parts[1], parts[2], sample)


def _check_resumption(folder: RunFolder, budget: Budget, mark: str) -> None:
    state = read_checkpoint(folder.checkpoint)
    if state["fingerprint"] != mark:
        raise CheckpointError(
            f"the training frames are not those that the run in {folder.path} was started with; put the files back as they "
            "were, or start a new run"
        )
    budget.begun, budget.reserve = state["begun"], state["reserve"]
    if budget.fraction(state["step"], state["seconds"]) >= 1:
        raise CheckpointError(
            f"the run in {folder.path} has used its budget; give a larger one with --epochs or --max-time"
        )


def _evaluate(
    config: TrainConfig,
    folder: RunFolder,
    data: PreparedData,
    graphs: _Graphs,
    module: PotentialModule,
    device: torch.device,
) -> dict[str, Evaluation]:
    """Judge the best potential, and write into its file what it was trained on and how well it does."""
    best = load(folder.model, device=device)
    if config.uncertainty.committee:
        options = config.uncertainty.committee, config.optimisation, config.run.seed
        add_committee(best, graphs.train, graphs.valid, *options)
    names = {part: [frame.name for frame in getattr(data.split, part)] for part in ("train", "valid", "test")}
    sample = [graphs.train[index] for index in graphs.sample]
    sampled = [names["train"][index] for index in graphs.sample]
    evaluations = {"train": evaluate_graphs(best, sample, sampled, uncertainty=False)}
    for part in ("valid", "test"):
        if getattr(graphs, part):
            evaluations[part] = evaluate_graphs(best, getattr(graphs, part), names[part])
    about = {
        "errors": {part: evaluation.metrics() for part, evaluation in evaluations.items()},
        "domain": domain(data).model_dump(),
        "files": sorted({frame.file for frame in data.split.train}),
        "pretraining": config.pretraining.source,
        "steps": module.global_step,
        "seconds": round(module.seconds),
    }
    save(best, folder.model, about)
    return evaluations


def domain(data: PreparedData) -> Domain:
    """Ranges of the training frames, by which molecular dynamics knows that it has left them."""
    frames: Sequence[Frame] = data.split.train
    nothing = [np.full((len(frame.atoms), 3), np.nan) for frame in frames]
    forces = [none if frame.forces is None else frame.forces for frame, none in zip(frames, nothing, strict=True)]
    energies = [
        np.nan if frame.energy is None else frame.energy - data.reference.total(frame.atoms) for frame in frames
    ]
    return Domain.of([frame.atoms for frame in frames], forces, energies)
