"""The processes that train together: each takes its part of every batch, and all have the same weights."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor

from equishare.errors import EquishareError

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class ProcessError(EquishareError):
    """Processes cannot train together, or one of them is gone."""


class Processes:
    """One process alone: what `FabricProcesses` has others for, it has nothing to do for."""

    rank = 0
    size = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def share(self, indices: np.ndarray) -> np.ndarray:
        """This process's part of the frames of a batch."""
        return indices

    def total(self, values: Tensor) -> Tensor:
        """Sum of a tensor over the processes."""
        return values

    def add_gradients(self, weights: Sequence[Tensor], loss: float) -> float:
        """Put the sums over the processes in place of the gradients; that of the loss is returned."""
        return loss

    def of_first(self, value: float) -> float:
        """A number of the first process."""
        return value

    def copy_of_first(self, values: Tensor) -> Tensor:
        """A tensor of the first process."""
        return values

    def any(self, flag: bool) -> bool:
        """Whether a flag is set in any process."""
        return flag

    def text_of_first(self, text: str) -> str:
        """A text of the first process."""
        return text

    def wait(self) -> None:
        """Go on when all have come this far."""


ALONE = Processes()


class FabricProcesses(Processes):
    """Processes that Lightning Fabric has started, or found started by torchrun or srun; they speak by gloo, GPUs by NCCL.

    The gradient of the loss over a batch is the sum of the gradients that the processes find for its parts, each divided by the number
    of labels in all: equal to one process's to rounding.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.rank, self.size = fabric.global_rank, fabric.world_size

    def share(self, indices: np.ndarray) -> np.ndarray:
        """This process's part of the frames of a batch."""
        if len(indices) < self.size:
            raise ProcessError(
                f"a batch of {len(indices)} frames cannot be shared by {self.size} processes; take fewer with --devices, or more frames a step "
                "(optimisation.batch_size)"
            )
        return np.array_split(indices, self.size)[self.rank]

    def total(self, values: Tensor) -> Tensor:
        """Sum of a tensor over the processes."""
        with _reachable():
            summed = self.fabric.all_reduce(values, reduce_op="sum")
        return cast(Tensor, summed)

    def add_gradients(self, weights: Sequence[Tensor], loss: float) -> float:
        """Put the sums over the processes in place of the gradients; that of the loss is returned."""
        parts = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]
        flat = torch.cat([part.reshape(-1) for part in parts] + [parts[0].new_tensor([loss])])
        summed = self.total(flat)
        for weight, part in zip(weights, summed[:-1].split([weight.numel() for weight in weights]), strict=True):
            weight.grad = part.reshape(weight.shape)
        return float(summed[-1])

    def of_first(self, value: float) -> float:
        """A number of the first process."""
        return float(self.total(torch.tensor(value if self.first else 0.0, dtype=torch.float64)))

    def copy_of_first(self, values: Tensor) -> Tensor:
        """A tensor of the first process."""
        return self.total(values if self.first else torch.zeros_like(values))

    def any(self, flag: bool) -> bool:
        """Whether a flag is set in any process."""
        return float(self.total(torch.tensor(float(flag)))) > 0

    def text_of_first(self, text: str) -> str:
        """A text of the first process."""
        with _reachable():
            return self.fabric.broadcast(text)

    def wait(self) -> None:
        """Go on when all have come this far."""
        with _reachable():
            self.fabric.barrier()


@contextmanager
def _reachable() -> Iterator[None]:
    """Say in words that another process is gone.

    Raises:
        ProcessError: in place of what gloo raises.
    """
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ProcessError(f"another process of this training is gone ({reason:.120})") from error


@contextmanager
def joined(devices: int, device: torch.device) -> Iterator[tuple[Processes, torch.device]]:
    """The processes of a training inside a ``with`` block, and the device of this one.

    Those that neither torchrun nor srun has started are started here, with the command line of this one. They share its threads.

    Raises:
        ProcessError: if there are fewer GPUs.
    """
    if devices == 1:
        yield ALONE, device
        return
    if device.type == "cuda" and torch.cuda.device_count() < devices:
        raise ProcessError(f"{devices} GPUs are asked for with --devices, PyTorch sees {torch.cuda.device_count()}")
    threads = torch.get_num_threads()
    fabric = _fabric(devices, device)
    try:
        with _reachable():
            fabric.launch()
        torch.set_num_threads(max(1, threads // devices))
        yield FabricProcesses(fabric), fabric.device
    finally:
        torch.set_num_threads(threads)
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _fabric(devices: int, device: torch.device) -> Fabric:
    # not imported for one process: with torchmetrics beside it, it takes longer to load than all of the package
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import LightningEnvironment
    from lightning_fabric.strategies import DDPStrategy

    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    started = "TORCHELASTIC_RUN_ID" in os.environ or os.environ.get("SLURM_NTASKS") == str(devices)
    gpu = device.type == "cuda"
    return Fabric(
        accelerator="cuda" if gpu else "cpu",
        devices=devices,
        # helpers wait while the first process validates or pretrains
        strategy=DDPStrategy(process_group_backend="nccl" if gpu else "gloo", timeout=timedelta(days=7)),
        plugins=[] if started else [LightningEnvironment()],
    )
