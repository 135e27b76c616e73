"""The graphs of a run's frames, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from equishare.devices import choose_dtype
from equishare.potential import AtomGraph
from equishare.training.config import TrainConfig
from equishare.training.data.labelled_graphs import labelled_graph
from equishare.training.data.prepare import PreparedData

TRAIN_SAMPLE = 200
"""Training frames that are predicted after training, to set the errors on the others against."""


@dataclass(frozen=True, eq=False)
class GraphParts:
    """Labelled graphs to train on, to validate and to test.

    Attributes:
        sample: Indices of the training graphs that are predicted after training.
    """

    train: list[AtomGraph]
    valid: list[AtomGraph]
    test: list[AtomGraph]
    sample: list[int]

    @classmethod
    def of(cls, data: PreparedData, config: TrainConfig) -> GraphParts:
        """Make the graphs of all frames.

        Raises:
            GraphError: if a frame has no graph; the message names it.
        """
        cutoff, dtype = config.model.cutoff, choose_dtype(config.run.dtype)
        train, valid, test = (
            [labelled_graph(frame, cutoff, dtype) for frame in part]
            for part in (data.split.train, data.split.valid, data.split.test)
        )
        n = len(train)
        sample = np.unique(np.linspace(0, n - 1, min(n, TRAIN_SAMPLE)).round().astype(int)).tolist()
        return cls(train, valid, test, sample)


def atoms_in(graphs: Sequence[AtomGraph]) -> int:
    """Number of atoms in all."""
    return sum(len(graph.numbers) for graph in graphs)
