"""Validation while training: the averaged weights are judged, the best and the last are kept."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from equishare.atoms.frame import Frame
from equishare.potential import AtomGraph, save
from equishare.training.config import OptimisationConfig
from equishare.training.evaluation.evaluate import evaluate_graphs
from equishare.training.loss import evaluation_loss
from equishare.training.objective import DivergedError
from equishare.training.report.physics import expected_seconds, seconds_allowed
from equishare.training.run_folder import RunFolder
from equishare.training.state import TrainingState

Row = dict[str, Any]

PLOT_SECONDS = 8.0
"""What the report's pictures take, on a slow core."""


@dataclass(frozen=True)
class Work:
    """Atoms in training, in a validation, and in all predictions that follow training."""

    train: int
    valid: int
    final: int


class Validation:
    """Evaluate at the end of epochs, as often as it costs a tenth of the time at most.

    With a budget in epochs the interval comes from counts alone, so that a run can be reproduced; with a budget in time it
    comes from the clock, and an epoch that is longer than a twentieth of the budget is validated on the way.

    Args:
        graphs: Labelled validation graphs.
        frames: Those that they are of.
        folder: Where the models and the table go.
        weights: Of the loss, by which the best is chosen.
        work: How many atoms are predicted.
        on_row: Told of every validation.
        on_ending: Told of how many seconds the run will take in all, where it ends before its budget.
    """

    def __init__(
        self,
        graphs: Sequence[AtomGraph],
        frames: Sequence[Frame],
        folder: RunFolder,
        weights: OptimisationConfig,
        work: Work,
        on_row: Callable[[Row], None],
        on_ending: Callable[[float], None],
    ) -> None:
        self.graphs, self.frames = graphs, frames
        self.folder = folder
        self.weights = weights
        self.work = work
        self.on_row, self.on_ending = on_row, on_ending
        self.rows: list[Row] = []
        self.best = math.inf
        self.best_weights: dict[str, torch.Tensor] | None = None
        self.last_seconds = -math.inf
        self.duration = 0.0

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "rows": len(self.rows),
            "best": self.best,
            "best_weights": self.best_weights,
            "last_seconds": self.last_seconds,
            "duration": self.duration,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint: rows that were written after it are dropped."""
        self.rows = [{"kept": 0, **row} for row in self.folder.read_metrics()[: state["rows"]]]  # older tables lack it
        self.best, self.best_weights = state["best"], state.get("best_weights")  # older checkpoints have no weights
        self.last_seconds, self.duration = state["last_seconds"], state["duration"]

    def warm_up(self, state: TrainingState) -> None:
        """Compile what a validation compiles, so that its duration can be trusted."""
        evaluate_graphs(state.averaged.potential, self.graphs[:1], self.frames[:1])

    def after_step(self, state: TrainingState) -> None:
        """Validate if it is time: at the end of an epoch, or on the way through a long one."""
        inside = state.steps_into_epoch > 0
        if inside and (state.budget.epochs is not None or not self.rows):
            return
        if self._due(state, share=1 / 20 if inside else 1 / 200):
            self.validate(state)

    def at_end(self, state: TrainingState) -> None:
        """Judge what came last."""
        if state.step and (not self.rows or self.rows[-1]["step"] < state.step):
            self.validate(state)

    def validate(self, state: TrainingState) -> None:
        """Evaluate the averaged weights, keep them, and tell of it."""
        begun = state.seconds
        evaluation = evaluate_graphs(state.averaged.potential, self.graphs, self.frames)
        loss = evaluation_loss(evaluation, self.weights, state.potential.statistics.scale)
        epoch = epochs_passed(state.step, state.budget.steps_per_epoch)
        if not math.isfinite(loss):
            worst = ", ".join(frame.name for frame in evaluation.frames if not frame.finite)
            raise DivergedError(
                f"the validation loss became {loss} after {epoch:g} epochs ({worst}); look at the frames with "
                "`equishare inspect`; if they are sound, train with a lower optimisation.learning_rate"
            )
        metrics = evaluation.metrics()
        row: Row = {
            "epoch": epoch,
            "step": state.step,
            "seconds": round(state.seconds, 2),
            "learning_rate": state.learning_rate,
            "train_loss": state.take_mean_loss(),
            "valid_loss": loss,
        }
        row |= {f"valid_{name}": value for name, value in metrics.items() if name != "n_frames"}
        # one low loss of few frames is chance, above all of energies, which settle only as the rate falls: so an ending is kept
        kept = loss < self.best or state.ending.begun is not None
        if loss < self.best:
            self.best = loss
            self.best_weights = {name: w.clone() for name, w in state.averaged.potential.state_dict().items()}
        self.rows.append({"kept": int(kept), **row})
        self.folder.write_metrics(self.rows)
        about = {"epoch": epoch, "step": state.step, "valid": metrics}
        if kept:
            save(state.averaged.potential, self.folder.model, about)
        save(state.averaged.potential, self.folder.last, about)
        self.last_seconds = state.seconds
        self.duration = self.last_seconds - begun
        # a frame alone costs about twice what it costs in a batch
        check = expected_seconds(2 * self.duration / len(self.graphs), seconds_allowed(state.budget.max_time))
        state.budget.reserve = PLOT_SECONDS + check + self.duration * self.work.final / self.work.valid
        self.on_row(self.rows[-1])
        if not state.over and state.ending.after(state.step, loss, row["train_loss"], state.learning_rate):
            if self.best_weights is not None:
                state.go_back(self.best_weights)
            self.on_ending(state.expected_seconds)

    def _due(self, state: TrainingState, share: float) -> bool:
        budget = state.budget
        if budget.epochs is not None:
            return not self.rows or state.epoch % self.interval(budget.epochs) == 0
        pause = max(share * (budget.max_time or 0.0), 10 * self.duration)
        return state.seconds - self.last_seconds >= pause

    def interval(self, epochs: int) -> int:
        """Epochs between validations: a prediction costs about a third of a training step."""
        cost = self.work.valid / (3 * self.work.train)
        return max(1, math.ceil(epochs / 200), math.ceil(10 * cost))


def epochs_passed(step: int, steps_per_epoch: int) -> int | float:
    """Epochs, cut to two digits after the point inside of one; to four inside of the first.

    >>> epochs_passed(24, 8), epochs_passed(25, 8), epochs_passed(1, 1000)
    (3, 3.12, 0.001)
    """
    whole, rest = divmod(step, steps_per_epoch)
    if not rest:
        return whole
    digits = 100 if whole else 10_000
    return int(step / steps_per_epoch * digits) / digits
