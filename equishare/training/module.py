"""The potential as a Lightning module: loss, optimiser, averaged weights, learning rate."""

import copy
import time
from collections import deque
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from equishare.errors import EquishareError
from equishare.potential import AtomGraph, Potential, Prediction
from equishare.training.budget import Budget, default_learning_rate, learning_rate_factor
from equishare.training.config import OptimisationConfig
from equishare.training.loss import batch_loss
from equishare.training.soap import SOAP


class DivergedError(EquishareError):
    """The loss is no longer a number."""


class PotentialModule(LightningModule):
    """Fits a potential; the average of its weights, `averaged`, is what is validated and kept.

    Args:
        potential: What to fit.
        optimisation: Loss weights and optimiser.
        budget: What the learning rate follows.
        names: Of the training frames, for messages.
        forces: Whether any training frame has forces.
        stress: Whether any training frame has a stress.
        started: `time.monotonic` when the run began.
        fingerprint: Of the training frames: a checkpoint fits no others.
    """

    n_averaged: Tensor

    def __init__(
        self,
        potential: Potential,
        optimisation: OptimisationConfig,
        budget: Budget,
        names: Sequence[str],
        *,
        forces: bool = True,
        stress: bool = False,
        started: float | None = None,
        fingerprint: str = "",
    ) -> None:
        super().__init__()
        self.potential = potential
        self.averaged = copy.deepcopy(potential)
        self.register_buffer("n_averaged", torch.tensor(0))
        self.optimisation = optimisation
        self.budget = budget
        self.names = names
        self.derive = {"forces": forces, "stress": stress}
        self.started = time.monotonic() if started is None else started
        self.fingerprint = fingerprint
        self.loss_sum, self.loss_count = 0.0, 0
        self.epoch_complete = False
        self.step_seconds: deque[float] = deque(maxlen=1000)
        self._step_begun = 0.0

    @property
    def seconds(self) -> float:
        """Seconds since the run began, those before a resumption included."""
        return time.monotonic() - self.started

    @property
    def learning_rate(self) -> float:
        """Rate at this moment of the budget."""
        done, options = (self.global_step, self.seconds), self.optimisation
        highest = options.learning_rate or default_learning_rate(self.budget.steps(*done))
        factor = learning_rate_factor(self.budget.fraction(*done), options.warmup, options.final_learning_rate)
        return highest * factor

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """SOAP (Vyas et al. 2024): the lowest errors in equal time, see docs/potential.md."""
        return SOAP(self.potential.parameters(), lr=self.learning_rate)

    def backward(self, loss: Tensor, *_: Any, **__: Any) -> None:
        """Differentiate by the weights alone: the gradient by the positions, which a plain call computes too, is not used."""
        loss.backward(inputs=[weight for weight in self.potential.parameters() if weight.requires_grad])

    def on_train_epoch_start(self) -> None:
        """Tell the loader which order to draw."""
        self.epoch_complete = False
        self.trainer.datamodule.loader.epoch = self.current_epoch  # type: ignore[attr-defined]

    def on_train_batch_start(self, batch: AtomGraph, batch_idx: int) -> None:
        """Set the learning rate by the budget, whose clock starts when everything is compiled: that would take the warm-up."""
        if self.global_step == 0:
            self.backward(self._loss(batch)[0])
            self.zero_grad()
            self.budget.begun = self.seconds
        self._step_begun = time.monotonic()
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.learning_rate

    def training_step(self, batch: AtomGraph, batch_idx: int) -> Tensor:
        """Loss of a batch.

        Raises:
            DivergedError: if it is not a finite number.
        """
        loss, prediction = self._loss(batch)
        value = loss.item()
        if not value < float("inf"):
            raise DivergedError(self._why(batch, prediction, value))
        self.loss_sum += value
        self.loss_count += 1
        return loss

    def on_train_batch_end(self, outputs: Any, batch: AtomGraph, batch_idx: int) -> None:
        """Average the weights; stop when the budget is used."""
        self.average_weights()
        self.step_seconds.append(time.monotonic() - self._step_begun)
        self.epoch_complete = batch_idx + 1 == self.trainer.num_training_batches
        if self.budget.fraction(self.global_step, self.seconds) >= 1:
            self.trainer.should_stop = True

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what Lightning does not know of, in plain values."""
        checkpoint["equishare"] = {
            "fingerprint": self.fingerprint,
            "step": self.global_step,
            "seconds": self.seconds,
            "begun": self.budget.begun,
            "reserve": self.budget.reserve,
            "loss_sum": self.loss_sum,
            "loss_count": self.loss_count,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take back what `on_save_checkpoint` added; time goes on from where it was."""
        state = checkpoint["equishare"]
        self.started -= state["seconds"]
        self.budget.begun, self.budget.reserve = state["begun"], state["reserve"]
        self.loss_sum, self.loss_count = state["loss_sum"], state["loss_count"]

    @torch.no_grad()
    def average_weights(self) -> None:
        """Exponential average; its memory grows with the steps made, so that it forgets the first weights."""
        n = int(self.n_averaged)
        decay = min(self.optimisation.ema_decay, (1 + n) / (10 + n)) if n else 0.0
        torch._foreach_lerp_(*self._weights, 1 - decay)
        self.n_averaged += 1

    @cached_property
    def _weights(self) -> tuple[list[Tensor], list[Tensor]]:
        """(averaged, current): to look them up takes longer than to average them."""
        return list(self.averaged.parameters()), list(self.potential.parameters())

    def take_mean_loss(self) -> float:
        """Mean training loss since this was last asked."""
        mean = self.loss_sum / self.loss_count if self.loss_count else float("nan")
        self.loss_sum, self.loss_count = 0.0, 0
        return mean

    def _loss(self, batch: AtomGraph) -> tuple[Tensor, Prediction]:
        prediction = self.potential(batch, **self.derive)
        return batch_loss(prediction, batch, self.optimisation, self.potential.scale), prediction

    def _why(self, batch: AtomGraph, prediction: Prediction, value: float) -> str:
        bad = ~torch.isfinite(prediction.energy)
        if prediction.forces is not None:
            atoms = (~torch.isfinite(prediction.forces)).any(dim=1)
            bad = bad | torch.zeros_like(bad).index_put(
                (batch.atom_batch[atoms],), torch.tensor(True, device=bad.device)
            )
        chosen = batch.frame[bad] if 0 < int(bad.sum()) < len(bad) else batch.frame
        frames = [self.names[index] for index in chosen.tolist()]
        more = f" and {len(frames) - 5} more" if len(frames) > 5 else ""
        return (
            f"the loss became {value} in epoch {self.current_epoch + 1}, step {self.global_step + 1}, on the frames "
            f"{', '.join(frames[:5])}{more}. Look at them with `equishare inspect`; if they are sound, train with a lower "
            f"optimisation.learning_rate (now {self.learning_rate:.2g}). The best model so far is kept"
        )
