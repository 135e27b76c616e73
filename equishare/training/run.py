"""A training that is over."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from equishare.training.config import TrainConfig
from equishare.training.data.prepare import PreparedData
from equishare.training.evaluation.evaluate import Evaluation
from equishare.training.run_folder import RunFolder


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

    @property
    def judged(self) -> tuple[str, Evaluation]:
        """The held-out frames that say the most, ``test`` or else ``valid``, and the errors on them."""
        name = "test" if "test" in self.evaluations else "valid"
        return name, self.evaluations[name]
