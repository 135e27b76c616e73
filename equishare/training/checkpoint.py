"""The state of a training, from which it continues exactly."""

import io
import math
from pathlib import Path
from typing import Any

import torch

from equishare.errors import EquishareError
from equishare.files import replacing
from equishare.training.state import TrainingState
from equishare.training.validation import Validation

FORMAT = "equishare-checkpoint-1"

_LONG_EPOCH = 60.0
"""Seconds after which a checkpoint is written inside an epoch."""


class CheckpointError(EquishareError):
    """A checkpoint cannot be continued from."""


class Checkpoints:
    """Write checkpoints as often as it costs a fiftieth of the time at most: after epochs, and inside of long ones.

    They are written beside their place, then renamed, and hold tensors and plain values only.

    Args:
        path: Of the checkpoint.
        fingerprint: Of the training frames: a checkpoint fits no others.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        self.fingerprint = fingerprint
        self.written = -math.inf
        self.duration = 0.0

    def after_step(self, state: TrainingState, validation: Validation) -> None:
        """Write if it is time."""
        pause = 50 * self.duration
        if state.steps_into_epoch:
            pause = max(pause, _LONG_EPOCH)
            self.written = max(self.written, 0.0)
        if state.seconds - self.written >= pause:
            self.write(state, validation)

    def write(self, state: TrainingState, validation: Validation) -> None:
        """Write what `resume` reads."""
        begun = state.seconds
        content = {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "training": state.state_dict(),
            "validation": validation.state_dict(),
        }
        stream = io.BytesIO()
        torch.save(content, stream)
        with replacing(self.path) as beside:
            beside.write_bytes(stream.getbuffer())  # where the disk is full, torch does not say so
        self.written = state.seconds
        self.duration = self.written - begun


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What `Checkpoints` wrote; loading the file runs no code.

    Raises:
        CheckpointError: if it is damaged, or holds anything but tensors and plain values.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        known = content.get("format")
    except OSError:
        raise
    except Exception as error:  # torch raises whatever unpickling meets
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"{path} cannot be continued from ({reason}); the potential in model.safetensors beside it is not touched by this"
        ) from error
    if known != FORMAT:
        raise CheckpointError(
            f"{path} is a checkpoint of another version of equishare (format {known!r}, expected {FORMAT!r}); continue the run with the "
            "version that began it, or start a new one: model.safetensors beside it can be used as it is"
        )
    return content
