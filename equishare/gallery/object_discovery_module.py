"""The recipe by which object discovery is trained: warm-up, decay, clipped gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from equishare.clock import Clock
from equishare.errors import EquishareError
from equishare.gallery.foreground_ari import ForegroundARI
from equishare.gallery.object_discovery import ObjectDiscovery


class ObjectDiscoveryModule(LightningModule):
    r"""Fits an ``ObjectDiscovery`` to pictures; validates it by the foreground ARI, logged as ``ari``.

    The learning rate rises in a line over the first ``warmup`` of the budget and then falls along half a cosine to a hundredth; gradients are
    clipped to a norm of ``clip``. The weight of compactness is zero in the first eighth of the budget, and grows in a line to its
    full value at a quarter of it. The budget is a number of steps, or a time; at its end training stops.

    Args:
        model: what to fit.
        steps: the budget; or
        seconds: the budget in time, from the first step on.
        optimizer: makes the optimiser from the parameters; its learning rate is the highest one. AdamW with 1e-3 if not given.
        warmup: part of the budget.
        compactness: full weight, see ``ObjectDiscovery.loss``.
        clip: largest norm of the gradient.

    Raises:
        EquishareError: not one positive budget.

    Batches are dictionaries or tuples whose first entry is the images, as bytes or in [0, 1]; the second, in validation, the labels,
    0 for the background.

    >>> from lightning.pytorch import Trainer
    >>> module = ObjectDiscoveryModule(ObjectDiscovery(slots=2, size=9), steps=2)
    >>> batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.rand(8, 3, 9, 9)), batch_size=4)
    >>> quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    >>> Trainer(max_epochs=-1, accelerator="cpu", **quiet).fit(module, batches)
    >>> module.global_step
    2
    """

    def __init__(
        self,
        model: ObjectDiscovery,
        steps: int | None = None,
        seconds: float | None = None,
        *,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] | None = None,
        warmup: float = 0.03,
        compactness: float = 2.0,
        clip: float = 1.0,
    ) -> None:
        super().__init__()
        budgets = [budget for budget in (steps, seconds) if budget is not None]
        if len(budgets) != 1 or not budgets[0] > 0:
            raise EquishareError(
                f"a positive budget in steps or in seconds expected, got steps={steps}, seconds={seconds}"
            )
        self.model, self.steps, self.seconds = model, steps, seconds
        self.optimizer = optimizer or (lambda parameters: torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.0))
        self.warmup, self.compactness, self.clip = warmup, compactness, clip
        self.ari = ForegroundARI()
        self.clock: Clock | None = None

    @property
    def progress(self) -> float:
        """Part of the budget that is used."""
        if self.steps is not None:
            return self.global_step / self.steps
        if self.clock is None or self.seconds is None:
            return 0.0
        return self.clock.seconds / self.seconds

    def rate(self, progress: float) -> float:
        """Learning rate at some part of the budget, the highest one being 1."""
        decay = 0.01 + 0.99 * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
        return decay * min(1.0, 0.01 + progress / self.warmup) if self.warmup else decay

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser; its rates are set step by step."""
        optimizer = self.optimizer(self.model.parameters())
        self.highest = [group["lr"] for group in optimizer.param_groups]
        return optimizer

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set the learning rate."""
        if self.clock is None:
            self.clock = Clock()
        for group, highest in zip(self.trainer.optimizers[0].param_groups, self.highest, strict=True):
            group["lr"] = highest * self.rate(self.progress)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The reconstruction error."""
        compactness = self.compactness * min(max(8 * self.progress - 1, 0.0), 1.0)
        loss = self.model.loss(_pictures(batch[0]), compactness=compactness)
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip to the recipe's norm, whatever the trainer says."""
        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Stop at the end of the budget."""
        if self.progress >= 1:
            self.trainer.should_stop = True

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Count some pictures in."""
        images, labels = batch
        self.ari.update(self.model(_pictures(images)).masks.argmax(1), labels.long())
        self.log("ari", self.ari, prog_bar=True)


def _pictures(images: Tensor) -> Tensor:
    """Colours in [0, 1]."""
    return images if images.is_floating_point() else images.float() / 255
