"""Validation while training: the averaged weights are judged, the best and the last are kept."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from lightning.pytorch import Callback, Trainer

from equishare.potential import AtomGraph, save
from equishare.training.budget import Budget
from equishare.training.evaluate import evaluate_graphs
from equishare.training.loss import evaluation_loss
from equishare.training.module import DivergedError, PotentialModule
from equishare.training.physics import expected_seconds, seconds_allowed
from equishare.training.run_folder import RunFolder

Row = dict[str, Any]

PLOT_SECONDS = 8.0
"""What the report's pictures take, on a slow core."""


class Validation(Callback):
    """Evaluate at the end of epochs, as often as it costs a tenth of the time at most.

    With a budget in epochs the interval comes from counts alone, so that a run can be reproduced; with a budget in time it
    comes from the clock, and an epoch that is longer than a twentieth of the budget is validated on the way.

    Args:
        graphs: Labelled validation graphs.
        names: Of the validation frames.
        folder: Where the models and the table go.
        train_atoms: Atoms in the training frames.
        final_atoms: Atoms that are predicted after training.
        on_row: Told of every validation, and whether it is the best so far.
    """

    def __init__(
        self,
        graphs: Sequence[AtomGraph],
        names: Sequence[str],
        folder: RunFolder,
        train_atoms: int,
        final_atoms: int,
        on_row: Callable[[Row, bool], None],
    ) -> None:
        self.graphs, self.names = graphs, names
        self.folder = folder
        self.train_atoms, self.final_atoms = train_atoms, final_atoms
        self.valid_atoms = sum(len(graph.numbers) for graph in graphs)
        self.on_row = on_row
        self.rows: list[Row] = []
        self.best = math.inf
        self.last_seconds = -math.inf
        self.duration = 0.0

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"rows": len(self.rows), "best": self.best, "last_seconds": self.last_seconds, "duration": self.duration}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint: rows that were written after it are dropped."""
        self.rows = list(self.folder.read_metrics())[: state["rows"]]
        self.best, self.last_seconds, self.duration = state["best"], state["last_seconds"], state["duration"]

    def on_train_epoch_end(self, trainer: Trainer, module: PotentialModule) -> None:  # type: ignore[override]
        """Validate if it is time."""
        if module.epoch_complete and self._due(module, trainer.current_epoch + 1, share=1 / 200):
            self.validate(module, trainer.current_epoch + 1)

    def on_train_batch_end(self, trainer: Trainer, module: PotentialModule, *_: Any) -> None:  # type: ignore[override]
        """Validate inside a long epoch."""
        timed = module.budget.epochs is None
        if timed and not module.epoch_complete and self.rows and self._due(module, 0, share=1 / 20):
            self.validate(module, trainer.current_epoch + 1)

    def on_train_end(self, trainer: Trainer, module: PotentialModule) -> None:  # type: ignore[override]
        """Judge what came last."""
        if module.global_step and (not self.rows or self.rows[-1]["step"] < module.global_step):
            self.validate(module, max(1, trainer.current_epoch + (not module.epoch_complete)))

    def validate(self, module: PotentialModule, epoch: int) -> None:
        """Evaluate the averaged weights, keep them, and tell of it."""
        begun = time.monotonic()
        evaluation = evaluate_graphs(module.averaged, self.graphs, self.names)
        loss = evaluation_loss(evaluation, module.optimisation, module.potential.scale)
        if not math.isfinite(loss):
            worst = ", ".join(frame.name for frame in evaluation.frames if not math.isfinite(frame.energy))
            raise DivergedError(
                f"the validation loss became {loss} in epoch {epoch} ({worst or 'forces'}); look at the frames with "
                "`equishare inspect`; if they are sound, train with a lower optimisation.learning_rate"
            )
        metrics = evaluation.metrics()
        row: Row = {
            "epoch": epoch,
            "step": module.global_step,
            "seconds": round(module.seconds, 2),
            "learning_rate": module.learning_rate,
            "train_loss": module.take_mean_loss(),
            "valid_loss": loss,
        }
        row |= {f"valid_{name}": value for name, value in metrics.items() if name != "n_frames"}
        self.rows.append(row)
        self.folder.write_metrics(self.rows)
        is_best = loss < self.best
        about = {"epoch": epoch, "step": module.global_step, "valid": metrics}
        if is_best:
            self.best = loss
            save(module.averaged, self.folder.model, about)
        save(module.averaged, self.folder.last, about)
        self.last_seconds, self.duration = module.seconds, time.monotonic() - begun
        # a frame alone costs about twice what it costs in a batch
        check = expected_seconds(2 * self.duration / len(self.graphs), seconds_allowed(module.budget.max_time))
        module.budget.reserve = PLOT_SECONDS + check + self.duration * self.final_atoms / self.valid_atoms
        self.on_row(row, is_best)

    def _due(self, module: PotentialModule, epoch: int, share: float) -> bool:
        budget: Budget = module.budget
        if budget.epochs is not None:
            return not self.rows or epoch % self.interval(budget.epochs) == 0
        pause = max(share * (budget.max_time or 0.0), 10 * self.duration)
        return module.seconds - self.last_seconds >= pause

    def interval(self, epochs: int) -> int:
        """Epochs between validations: a prediction costs about a third of a training step."""
        cost = self.valid_atoms / (3 * self.train_atoms)
        return max(1, math.ceil(epochs / 200), math.ceil(10 * cost))
