"""What a step makes smaller: the loss of a batch, and whose fault it is where that is no number."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from equishare.errors import EquishareError
from equishare.potential import AtomGraph, Potential, Prediction
from equishare.training.config import OptimisationConfig
from equishare.training.loss import batch_loss


class DivergedError(EquishareError):
    """The loss is no longer a number."""


class Objective:
    """The loss of batches of training frames.

    Args:
        potential: What is fitted.
        weights: Of the loss.
        names: Of the training frames, for messages.
        derive: Whether to predict ``forces`` and ``stress``.
    """

    def __init__(
        self, potential: Potential, weights: OptimisationConfig, names: Sequence[str], derive: Mapping[str, bool]
    ) -> None:
        self.potential = potential
        self.weights = weights
        self.names = names
        self.derive = dict(derive)

    def __call__(self, batch: AtomGraph) -> Tensor:
        """Loss of a batch.

        Raises:
            DivergedError: if it is not a finite number.
        """
        prediction = self.potential(batch, **self.derive)
        loss = batch_loss(prediction, batch, self.weights, self.potential.statistics.scale)
        value = loss.item()
        if not value < float("inf"):
            raise DivergedError(
                f"the loss became {value} on the frames {self._guilty(batch, prediction)}. Look at them with `equishare inspect`; if "
                "they are sound, train with a lower optimisation.learning_rate. The best model so far is kept"
            )
        return loss

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
