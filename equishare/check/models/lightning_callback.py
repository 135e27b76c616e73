"""The check beside a training, as a callback of Lightning."""

import warnings
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from equishare.check.models.during_training import SymmetryLost, SymmetryWarning, TrainingCheck, said_of
from equishare.check.models.symmetry.symmetry import Symmetry


class LightningCheck(Callback):
    """Checks the trained module every few epochs, within a share of the time, and stops the training or warns.

    Args:
        inputs: one valid input of the module's `forward`.
        claim: the symmetry.
        **options: those of `TrainingCheck` (every, share, action) and of `equivariance`.

    Attributes:
        check: what checks, once training has started.
        lost: what was found when training was stopped, or None.
    """

    def __init__(self, inputs: Any, claim: Symmetry, **options: Any) -> None:
        self.inputs, self.claim, self.options = inputs, claim, options
        self.check: TrainingCheck | None = None
        self.lost: SymmetryLost | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self.check = TrainingCheck(pl_module, self.inputs, self.claim, **self.options)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check, and where the symmetry is lost warn and ask the trainer to stop."""
        if self.check is None or not trainer.is_global_zero:
            return
        try:
            self.check()
        except SymmetryLost as lost:
            self.lost = lost
            trainer.should_stop = True
            warnings.warn(f"training stops: {said_of(lost.report)}", SymmetryWarning, stacklevel=2)
