"""What a step makes smaller: the loss of a batch, and whose fault it is where that is no number."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from equishare.errors import EquishareError
from equishare.potential import AtomGraph, Potential, Prediction
from equishare.training.config import OptimisationConfig
from equishare.training.loss import batch_loss
from equishare.training.processes import ALONE, Processes


class DivergedError(EquishareError):
    """The loss is no longer a number."""


class Objective:
    """The loss of batches of training frames.

    Args:
        potential: What is fitted.
        weights: Of the loss.
        names: Of the training frames, for messages.
        derive: Whether to predict ``forces`` and ``stress``.
        processes: Those that share every batch.
    """

    def __init__(
        self,
        potential: Potential,
        weights: OptimisationConfig,
        names: Sequence[str],
        derive: Mapping[str, bool],
        processes: Processes = ALONE,
    ) -> None:
        self.potential = potential
        self.weights = weights
        self.names = names
        self.derive = dict(derive)
        self.processes = processes

    def differentiate(self, batch: AtomGraph, weights: Sequence[Tensor]) -> float:
        """Put the gradients of the loss into the weights, summed over the processes; the loss is returned.

        By the weights alone: the gradient by the positions, which a plain call computes too, is not used.

        Raises:
            DivergedError: if the loss is not a finite number.
        """
        prediction = self.potential(batch, **self.derive)
        total = None if self.processes.size == 1 else self.processes.total
        loss = batch_loss(prediction, batch, self.weights, self.potential.statistics.scale, total)
        own = loss.item()
        if math.isfinite(own) or self.processes.size > 1:
            loss.backward(inputs=list(weights))
        value = self.processes.add_gradients(weights, own)
        if not math.isfinite(value):
            where = "of another process" if math.isfinite(own) else self._guilty(batch, prediction)
            raise DivergedError(
                f"the loss became {value} on the frames {where}. Look at them with `equishare inspect`; if "
                "they are sound, train with a lower optimisation.learning_rate. The best model so far is kept"
            )
        return value

    def _guilty(self, batch: AtomGraph, prediction: Prediction) -> str:
        """Names of the frames whose prediction is not finite; of all, where that tells nothing."""
        bad = ~torch.isfinite(prediction.energy)
        if prediction.forces is not None:
            atoms = (~torch.isfinite(prediction.forces)).any(dim=1)
            bad = bad.index_fill(0, batch.atom_batch[atoms], True)
        chosen = batch.frame[bad] if 0 < int(bad.sum()) < len(bad) else batch.frame
        frames = [self.names[index] for index in chosen.tolist()]
        more = f" and {len(frames) - 5} more" if len(frames) > 5 else ""
        return ", ".join(frames[:5]) + more
