"""Training from weights without forgetting: structures that they know go on being trained on, with what the weights say of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from ase import Atoms

from equishare.atoms.frame import Frame
from equishare.atoms.reading import read_unlabelled
from equishare.potential import ModelConfig, load, read_header
from equishare.training.config import TrainConfig
from equishare.training.data.graph_parts import GraphParts
from equishare.training.data.prepare import REPLAYED, PreparedData
from equishare.training.initial import initial_potential
from equishare.training.weights import WeightsError

_HELD = 10


def replayed(
    config: TrainConfig, data: PreparedData, graphs: GraphParts, start: Path
) -> tuple[PreparedData, GraphParts]:
    """The data with the structures of ``pretraining.replay`` among the training frames; every tenth is held out and shows what was forgotten.

    Their labels are what the weights say, without what the new network adds to them, moved to the level of the new frames: so they may be of another method than those, and need none of their
    own. `--weights replay=0.5` weighs them. Robins, "Catastrophic forgetting, rehearsal and pseudorehearsal" (1995).

    Raises:
        FrameReadError: if the files cannot be read.
        WeightsError: if there is an element that the weights do not know, or there are fewer than two structures of more than one atom.
    """
    found = read_unlabelled(config.pretraining.replay)
    _check_elements(found, read_header(start).statistics.species)
    bare = [Atoms(f.atoms, info={**f.conditions, "config_type": REPLAYED}) for f in found]
    potential = initial_potential(_known(config, read_header(start).config), data, graphs.train, load(start))
    weight = config.data.frame_weights.get(REPLAYED, 1.0)
    frames = [
        Frame(
            atoms,
            energy=row["energy"],
            forces=row["forces"],
            conditions=f.conditions,
            weight=weight,
            file=f.file,
            index=f.index,
        )
        for f, atoms, row in zip(found, bare, potential.predict(bare), strict=True)
        if len(atoms) > 1
    ]
    if len(frames) < 2:
        raise WeightsError(
            f"--replay holds out every tenth structure and trains on the others, but got {len(frames)} of more than one atom; give more"
        )
    kept, others = frames[::_HELD], [frame for k, frame in enumerate(frames) if k % _HELD]
    split = replace(data.split, train=(*data.split.train, *others))
    data = replace(data, split=split, replayed=len(others), kept=tuple(kept))
    return data, GraphParts.of(data, config)


def _known(config: TrainConfig, before: ModelConfig) -> TrainConfig:
    """The configuration without what starts from noise and would be in the labels: new charges that interact, new numbers that go in."""
    model = config.model
    old = tuple(name for name in model.conditions if name in before.conditions or name == "method")
    return config.model_copy(
        update={"model": model.model_copy(update={"long_range": before.long_range, "conditions": old})}
    )


def _check_elements(frames: Sequence[Frame], known: Collection[str]) -> None:
    for frame in frames:
        unknown = sorted(set(frame.atoms.symbols) - set(known))
        if unknown:
            raise WeightsError(
                f"{frame.name} holds {', '.join(unknown)}, and the weights to start from know {', '.join(known)}: --replay takes structures that "
                "they know; frames of other elements, with labels, are training data"
            )
