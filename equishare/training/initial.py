"""What is fixed before the first step: the complete configuration and the first weights."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from itertools import combinations_with_replacement

import numpy as np
import torch
from ase.data import atomic_numbers

from equishare.atoms.properties import PROPERTIES, outputs
from equishare.atoms.source import Source
from equishare.devices import choose_dtype
from equishare.errors import EquishareError
from equishare.potential import AtomGraph, Potential, Statistics, collate
from equishare.potential.bundled import bundled
from equishare.potential.domain import Domain, pair_name
from equishare.training.budget import default_max_time
from equishare.training.config import TrainConfig
from equishare.training.config.sections import NOISE
from equishare.training.data.base_values import without_base
from equishare.training.data.batches import atoms_in, batches_by_size, frames_per_batch
from equishare.training.data.prepare import IN_MEMORY, PreparedData
from equishare.training.data.statistics import statistics
from equishare.training.evaluation.evaluate import ATOMS_PER_BATCH
from equishare.training.weights import freeze, take_over

WARM_RATE = 0.008
"""Most that the learning rate is in a run that starts from weights: short runs from noise take up to 0.04."""
_CENTRED = 200
"""Frames whose mean energy a pretrained potential is moved to."""


def complete(config: TrainConfig, data: PreparedData, graphs: Sequence[AtomGraph]) -> TrainConfig:
    """The configuration with everything filled in that was left open: budget, batch size, weights of what is labelled; paths absolute.

    The folder is left out: the same configuration makes a run of its own.
    """
    files, optimisation, budget = config.data, config.optimisation, config.budget
    if budget.max_time is None and budget.epochs is None:
        budget = budget.model_copy(update={"max_time": default_max_time(atoms_in(graphs))})
    size = optimisation.batch_size or min(frames_per_batch(graphs, optimisation.batch_atoms), len(graphs))
    weights = {"energy": default_energy_weight(atoms_in(graphs) / len(graphs))} | optimisation.weights
    weights = {row.name: weights.get(row.name, row.weight) for row in outputs() if data.has(row.name)}
    optimisation = optimisation.model_copy(update={"weights": weights, "batch_size": size})
    pretraining = config.pretraining
    if pretraining.replay:
        absolute = [Source.absolute(source) for source in pretraining.replay]
        pretraining = pretraining.model_copy(update={"replay": absolute})
    warm = pretraining.weights not in (None, NOISE) or pretraining.source == "xtb"
    if optimisation.rate_limit is None and warm:
        optimisation = optimisation.model_copy(update={"rate_limit": WARM_RATE})
    if pretraining.weights is not None and pretraining.weights not in (NOISE, *bundled()):
        pretraining = pretraining.model_copy(update={"weights": os.path.abspath(pretraining.weights)})
    if pretraining.source is not None:
        pretraining = pretraining.model_copy(update={"share": pretraining.part(len(data.split.train))})
    if pretraining.source not in (None, "xtb"):
        pretraining = pretraining.model_copy(update={"source": Source.absolute(str(pretraining.source))})
    paths = {}
    for part in ("train", "valid", "test"):
        value = getattr(files, part)
        fixed = isinstance(value, float) or value == [IN_MEMORY]
        paths[part] = value if fixed else [Source.absolute(source) for source in value]
    return config.model_copy(
        update={
            "data": files.model_copy(update=paths),
            "optimisation": optimisation,
            "pretraining": pretraining,
            "budget": budget,
            "run": config.run.model_copy(update={"out": None}),
        }
    )


def default_energy_weight(atoms: float) -> float:
    r"""Weight of the energies in the loss, for frames of so many atoms on average.

    .. math:: w_E = \min(1, 15 / N)

    Early in a training all atoms of a frame err alike, so that a large frame's energy outweighs its forces. A rule of experience: see
    docs/explanations/potential.md.

    >>> [round(default_energy_weight(atoms), 3) for atoms in (9, 15, 54, 192)]
    [1.0, 1.0, 0.278, 0.078]
    """
    return PROPERTIES["energy"].weight * min(1.0, 15 / atoms)


def with_methods(config: TrainConfig, data: PreparedData) -> TrainConfig:
    """The configuration with the names of the methods that labelled the training frames, where those go into the model.

    The first one is that of frames which say nothing.
    """
    model = config.model
    if not data.methods:
        return config
    return config.model_copy(update={"model": model.model_copy(update={"methods": data.methods})})


def check_labels(config: TrainConfig, data: PreparedData, known: Collection[str] = ()) -> None:
    """Make sure that there is something to learn the wanted outputs from.

    Args:
        config: Of the run.
        data: Its frames.
        known: Heads of the weights to start from, which stay without labels.

    Raises:
        EquishareError: if a head is wanted, but no training frame has its property.
    """
    for name in config.model.heads:
        if name not in known and not data.has(name):
            raise EquishareError(
                f"the model is to learn the property {name}, but no training frame has it; name its column with "
                f"--key {name}=COLUMN, or leave it out"
            )


def initial_potential(
    config: TrainConfig, data: PreparedData, graphs: Sequence[AtomGraph], pretrained: Potential | None = None
) -> Potential:
    """A potential with random weights of the configuration's seed, and scale, shift, neighbours and spacing of the frames.

    Network, scale, neighbours and spacing of a pretrained potential are taken over: together they are one function of the geometry. So are
    the elements that it knows and the frames do not hold, but for weights of the package: those know their method's level of them.
    Frames that are replayed count nowhere: they have the labels that this potential gives them.
    """
    architecture = config.model.architecture
    found = statistics(without_base(data.new, architecture), graphs, data.reference.values, data.levels)
    if pretrained is not None and (config.pretraining.replay or config.pretraining.weights not in bundled()):
        found = with_elements_of(found, pretrained.statistics)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(config.run.seed)
        kept = pretrained.statistics if pretrained else found
        constants = found.model_copy(
            update={
                **{name: getattr(kept, name) for name in ("scale", "neighbours", "spacing")},
                "min_distance": closest_pairs(data, found.species, architecture.cutoff, pretrained)
                if architecture.repulsion
                else {},
            }
        )
        potential = Potential(architecture, constants)
    potential = potential.to(choose_dtype(config.run.dtype))
    if pretrained is not None:
        take_over(potential, pretrained)
        _centre(potential, data, graphs)
        freeze(potential, config.pretraining.freeze)
    return potential


def with_elements_of(found: Statistics, before: Statistics) -> Statistics:
    """Constants of the frames, and those of the elements that only the pretrained potential knows."""
    joined = {name: {**getattr(before, name), **getattr(found, name)} for name in ("reference_energies", "shift")}
    levels = {
        name: {**before.levels.get(name, {}), **found.levels.get(name, {})}
        for name in {**before.levels, **found.levels}
    }
    return Statistics.model_validate({**found.model_dump(), **joined, "levels": levels})


def _centre(potential: Potential, data: PreparedData, graphs: Sequence[AtomGraph]) -> None:
    """Move the shifts so that the energies of the frames are met on average: the two methods differ in theirs."""
    chosen = [k for k, frame in enumerate(data.new) if frame.energy is not None][:_CENTRED]
    if not chosen:
        return
    frames = [data.new[k] for k in chosen]
    counts = np.array([[frame.composition.counts.get(s, 0) for s in potential.species] for frame in frames])
    potential.eval()
    held = [graphs[k] for k in chosen]
    batches = [collate([held[k] for k in group]) for group in batches_by_size(held, ATOMS_PER_BATCH["cpu"])]
    # an atom's shift comes with its bonding factor, a little below one: what one pass leaves, the next ones take
    for _ in range(3):
        with torch.no_grad():
            predicted = [potential(batch, forces=False).energy.numpy() for batch in batches]
        missing = np.array([frame.energy for frame in frames], dtype=float) - np.concatenate(predicted)
        solution = np.linalg.lstsq(counts.astype(float), missing, rcond=1e-8)[0].tolist()
        before = potential.statistics
        shift = {s: before.shift[s] + more for s, more in zip(before.species, solution, strict=True)}
        potential.statistics = before.model_copy(update={"shift": shift})
    potential.train()


def closest_pairs(
    data: PreparedData, elements: Iterable[str], cutoff: float, pretrained: Potential | None
) -> dict[str, float]:
    """Shortest distance in Å of each pair of elements in the frames; the cutoff for pairs that never come closer.

    What a pretrained potential has seen counts as well.
    """
    numbers = sorted(atomic_numbers[symbol] for symbol in elements)
    far = {pair_name(a, b): cutoff for a, b in combinations_with_replacement(numbers, 2)}
    seen = far | Domain.of(data.new, cutoff=cutoff).min_distance
    before = pretrained.statistics.min_distance if pretrained else {}
    return {name: min(distance, before.get(name, distance)) for name, distance in seen.items()}
