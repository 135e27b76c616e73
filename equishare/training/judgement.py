"""The last act of a run: the best potential is judged, and its file says on what it was trained and how well it does."""

from __future__ import annotations

import os

import numpy as np

from equishare.atoms.frame import Frame
from equishare.devices import choose_dtype
from equishare.potential import Statistics, load, save
from equishare.potential.domain import Domain
from equishare.training.committee import ATOMS, add_committee
from equishare.training.config import TrainConfig
from equishare.training.config.sections import NOISE
from equishare.training.data.batches import atoms_in
from equishare.training.data.graph_parts import GraphParts
from equishare.training.data.prepare import PreparedData
from equishare.training.data.streamed_graphs import graphs_of
from equishare.training.evaluation.evaluate import Evaluation, evaluate_graphs
from equishare.training.initial import initial_potential
from equishare.training.run_folder import RunFolder
from equishare.training.state import TrainingState
from equishare.training.validation import Work


def judge(
    config: TrainConfig, folder: RunFolder, data: PreparedData, graphs: GraphParts, state: TrainingState
) -> dict[str, Evaluation]:
    """Errors of the best potential on a sample of the training frames and on all held-out ones; written into its file."""
    best = load(folder.model, device=state.potential.device)
    if config.uncertainty.committee:
        options = config.uncertainty.committee, config.optimisation, config.run.seed
        add_committee(best, graphs.train, graphs.valid, *options)
    sample = [graphs.train[index] for index in graphs.sample]
    sampled = [data.split.train[index] for index in graphs.sample]
    evaluations = {"train": evaluate_graphs(best, sample, sampled, uncertainty=False)}
    for part in ("valid", "test"):
        if getattr(graphs, part):
            evaluations[part] = evaluate_graphs(best, getattr(graphs, part), getattr(data.split, part))
    if started_from(config) is not None and config.pretraining.source is None:
        first = initial_potential(config, data, graphs.train, load(folder.start)).to(best.device).eval()
        evaluations["start"] = evaluate_graphs(first, graphs.valid, data.split.valid, uncertainty=False)
    if data.kept:
        graphs_kept = graphs_of(data.kept, config.model.architecture, choose_dtype(config.run.dtype))
        evaluations["kept"] = evaluate_graphs(best, graphs_kept, data.kept, uncertainty=False)
    about = {
        "errors": {part: evaluation.metrics() for part, evaluation in evaluations.items()},
        "domain": domain(data, best.statistics).model_dump(),
        # names without folders: a file to share tells nothing of its maker's machine
        "files": sorted({os.path.basename(frame.file) for frame in data.split.train}),
        "pretraining": config.pretraining.source and os.path.basename(config.pretraining.source),
        "started_from": started_from(config),
        "steps": state.step,
        "seconds": round(state.seconds),
    }
    save(best, folder.model, about)
    return evaluations


def started_from(config: TrainConfig) -> str | None:
    """Name of the weights that a run started from, without their folder; None: noise."""
    weights = config.pretraining.weights
    return None if weights in (None, NOISE) else os.path.basename(weights)


def work(graphs: GraphParts, members: int) -> Work:
    """Atoms to predict in a run; a committee predicts its members' forces too, and is made of the training frames."""
    train, valid, test = (atoms_in(part) for part in (graphs.train, graphs.valid, graphs.test))
    sample = atoms_in([graphs.train[index] for index in graphs.sample])
    if not members:
        return Work(train, valid, valid + test + sample)
    # a backward pass is about two thirds of a prediction; three energies in float64 are about two predictions
    return Work(train, valid, round((2 * valid + test) * (1 + 0.7 * members)) + sample + 2 * min(train, ATOMS))


def domain(data: PreparedData, constants: Statistics) -> Domain:
    """Ranges of the training frames, by which molecular dynamics knows that it has left them."""
    frames = data.split.train
    return Domain.of(
        frames,
        (frame.forces for frame in frames),
        (np.nan if frame.energy is None else frame.energy - _isolated(frame, constants) for frame in frames),
    )


def _isolated(frame: Frame, constants: Statistics) -> float:
    """Energy of a frame's atoms on their own in eV."""
    method = str(frame.conditions.get("method", ""))
    return sum(count * constants.isolated([symbol], method) for symbol, count in frame.composition.counts.items())
