"""The state of a training at the end of an epoch, from which it continues exactly."""

import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

from equishare.errors import EquishareError
from equishare.files import replacing
from equishare.training.module import PotentialModule


class CheckpointError(EquishareError):
    """A checkpoint cannot be continued from."""


class Checkpointing(Callback):
    """Write a checkpoint at the end of epochs, as often as it costs a fiftieth of the time at most.

    It is written beside its place, then renamed, and holds tensors and plain values only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = -float("inf")
        self.duration = 0.0

    def on_train_epoch_end(self, trainer: Trainer, module: PotentialModule) -> None:  # type: ignore[override]
        """Write if it is time, or if training is over."""
        begun = time.monotonic()
        over = module.budget.fraction(module.global_step, module.seconds) >= 1
        if not module.epoch_complete or (begun - self.written < 50 * self.duration and not over):
            return
        with replacing(self.path) as beside:
            trainer.save_checkpoint(beside)
        self.written = time.monotonic()
        self.duration = self.written - begun


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What `PotentialModule` keeps in a checkpoint, after making sure that loading the file runs no code.

    Raises:
        CheckpointError: if it is damaged, or holds anything but tensors and plain values.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        state: dict[str, Any] = content["equishare"]
    except OSError:
        raise
    except Exception as error:  # torch raises whatever unpickling meets
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"{path} cannot be continued from ({reason}); the potential in model.safetensors beside it is not touched by this"
        ) from error
    return state
