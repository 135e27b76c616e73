"""What is settled before the first step of a run."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equishare.atoms.store.opening import Tell
from equishare.continuing import check_same
from equishare.files import copy_file, write_text
from equishare.potential import load, read_header
from equishare.potential.bundled import bundled, model_path
from equishare.training.budget import Budget
from equishare.training.checkpoint import CheckpointError, read_checkpoint
from equishare.training.committee import check_members
from equishare.training.config import TrainConfig
from equishare.training.config.config_file import to_yaml
from equishare.training.config.sections import NOISE
from equishare.training.data.batches import BatchLoader
from equishare.training.data.graph_parts import GraphParts
from equishare.training.data.prepare import Parts, PreparedData, fingerprint, prepare
from equishare.training.initial import check_labels, complete, with_methods
from equishare.training.pretraining.replay import replayed
from equishare.training.pretraining.start import check_start, settled
from equishare.training.processes import Processes
from equishare.training.run_folder import RunFolder
from equishare.training.speed import with_speed
from equishare.training.state import ending_of
from equishare.training.weights import architecture_of


@dataclass(frozen=True, eq=False)
class Plan:
    """What is settled before the first step.

    Attributes:
        config: Complete.
        mark: Of the training frames: a checkpoint fits no others.
        start: What training starts from, in words.
        budget_chosen: The budget was not given, but follows from the size of the data.
        speed: Microseconds an atom of a preset that was chosen by them, or None.
        checkpoint: What to go on from, or None.
    """

    config: TrainConfig
    data: PreparedData
    graphs: GraphParts
    batches: BatchLoader
    budget: Budget
    mark: str
    start: str
    budget_chosen: bool
    speed: float | None
    checkpoint: dict[str, Any] | None


def make_plan(
    config: TrainConfig,
    given: Parts | None,
    folder: RunFolder,
    processes: Processes,
    continued: bool,
    judged: bool,
    tell: Tell | None = None,
) -> Plan:
    """Read the frames, complete the configuration and write it down; nothing is left behind where that fails.

    Every process does so for itself, side by side: each trains on frames and graphs of its own memory, and handing them over would cost one
    process their making and all of them a copy. The seed and the files make the plans the same, the first process's clock chooses a preset by its
    speed, and only the first one writes.
    """
    try:
        config = _with_start(config, folder)
        data = prepare(config, given, tell)
        check_labels(config, data, _known_heads(config, folder))
        config, took = with_speed(with_methods(config, data), data.split.train, processes)
        config, start = settled(config, data.elements)
        if not continued:
            check_start(config)
        check_members(config.uncertainty.committee, config.model.architecture)
        graphs = GraphParts.of(data, config)
        budget_chosen = config.budget.max_time is None and config.budget.epochs is None
        config = complete(config, data, graphs.train)
        if config.pretraining.replay:
            data, graphs = replayed(config, data, graphs, _start_file(config, folder))
        mark = fingerprint(data.new, data.split.train[len(data.new) :])
        batches = BatchLoader(graphs.train, config.optimisation.batch_size or 1, config.run.seed, processes)
        budget = Budget(config.budget.epochs, config.budget.max_time, len(batches))
        checkpoint = _resumable(folder, budget, config.optimisation.patience, mark, judged) if continued else None
        if processes.first:
            _write_start(config, folder)
            write_text(folder.config, to_yaml(config))
    except BaseException:
        if not processes.first:
            sys.exit(1)  # the first one says why
        folder.remove_if_empty()
        raise
    return Plan(
        config=config,
        data=data,
        graphs=graphs,
        batches=batches,
        budget=budget,
        mark=mark,
        start=start,
        budget_chosen=budget_chosen,
        speed=took,
        checkpoint=checkpoint,
    )


def _with_start(config: TrainConfig, folder: RunFolder) -> TrainConfig:
    """The configuration with the network of the weights to start from."""
    weights = config.pretraining.weights
    if weights in (None, NOISE):
        return config
    file = _start_file(config, folder)
    load(file)  # says what is wrong with it
    return config.model_copy(update={"model": architecture_of(str(file), config.model, keep=weights not in bundled())})


def _known_heads(config: TrainConfig, folder: RunFolder) -> tuple[str, ...]:
    """Properties that the weights to start from read already."""
    if config.pretraining.weights in (None, NOISE):
        return ()
    return read_header(_start_file(config, folder)).config.heads


def _start_file(config: TrainConfig, folder: RunFolder) -> Path:
    """The weights to start from: the run's own copy, once there is one."""
    return folder.start if folder.start.exists() else model_path(config.pretraining.weights or "")


def _write_start(config: TrainConfig, folder: RunFolder) -> None:
    """Copy the weights to start from, so that the run can be resumed where their file is gone."""
    if config.pretraining.weights not in (None, NOISE) and not folder.start.exists():
        copy_file(_start_file(config, folder), folder.start)


def _resumable(folder: RunFolder, budget: Budget, patience: float, mark: str, judged: bool) -> dict[str, Any] | None:
    """The checkpoint of a run, if there is one, after making sure that it fits the frames and that something is left to do."""
    if not folder.checkpoint.exists():
        return None
    checkpoint = read_checkpoint(folder.checkpoint)
    stored, asked = ({"hash of the training frames": each[:8]} for each in (checkpoint["fingerprint"], mark))
    check_same(f"the run in {folder.path}", stored, asked, error=CheckpointError)
    state = checkpoint["training"]
    budget.begun, budget.reserve = state["begun"], state["reserve"]
    if judged and budget.fraction(state["step"], state["seconds"]) >= 1:
        raise CheckpointError(
            f"the run in {folder.path} has used its budget; give a larger one with --epochs or --max-time"
        )
    if judged and state["step"] >= ending_of(state, patience, budget).last_step:
        raise CheckpointError(
            f"the run in {folder.path} has ended since its validation no longer improved; more frames help it more than more steps, "
            "but another budget, with --epochs or --max-time, lets it go on"
        )
    return checkpoint
