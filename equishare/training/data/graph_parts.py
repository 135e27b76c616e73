"""The graphs of a run's frames, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from equishare.atoms.frame import Frame
from equishare.devices import choose_dtype
from equishare.potential import AtomGraph
from equishare.training.config import TrainConfig
from equishare.training.data.prepare import PreparedData
from equishare.training.data.streamed_graphs import graphs_of

TRAIN_SAMPLE = 200
"""Training frames that are predicted after training, to set the errors on the others against."""
_OF_A_KIND = 20


@dataclass(frozen=True, eq=False)
class GraphParts:
    """Labelled graphs to train on, to validate and to test.

    Attributes:
        sample: Indices of the training graphs that are predicted after training.
    """

    train: Sequence[AtomGraph]
    valid: Sequence[AtomGraph]
    test: Sequence[AtomGraph]
    sample: list[int]

    @classmethod
    def of(cls, data: PreparedData, config: TrainConfig) -> GraphParts:
        """Make the graphs of all frames; those of frames on disk are made when they are asked for.

        Raises:
            GraphError: if a frame in memory has no graph; the message names it.
        """
        config_of_model, dtype = config.model.architecture, choose_dtype(config.run.dtype)
        split = data.split
        train, valid, test = (
            graphs_of(part, config_of_model, dtype) for part in (split.train, split.valid, split.test)
        )
        return cls(train, valid, test, sample(split.train))


def sample(frames: Sequence[Frame], most: int = TRAIN_SAMPLE) -> list[int]:
    """Indices of frames, evenly from all, and of each kind of frame (`config_type`) twenty where it has as many.

    >>> from ase import Atoms
    >>> len(sample([Frame(Atoms("H"))] * 5)), len(sample([Frame(Atoms("H"))] * 5000))
    (5, 200)
    """
    kinds: dict[str, list[int]] = {}
    for index, frame in enumerate(frames):
        kinds.setdefault(frame.config_type, []).append(index)
    chosen: set[int] = set()
    for indices in kinds.values():
        n = len(indices)
        count = min(n, max(_OF_A_KIND, round(most * n / len(frames))))
        chosen |= {indices[place] for place in np.linspace(0, n - 1, count).round().astype(int)}
    return sorted(chosen)
