"""A fit under way: weights, their average, the optimiser, and how far it is."""

import math
from collections import deque
from typing import Any

import torch

from equishare.clock import Clock
from equishare.potential import AtomGraph, Potential
from equishare.training.averaging import AveragedWeights
from equishare.training.budget import Budget, default_learning_rate, learning_rate_factor
from equishare.training.config import OptimisationConfig
from equishare.training.ending import Ending
from equishare.training.objective import DivergedError, Objective
from equishare.training.soap import SOAP


class TrainingState:
    """Everything that a step changes, and that a checkpoint therefore keeps.

    Args:
        potential: What to fit, on its device.
        options: Of the optimiser.
        budget: What the learning rate follows.
        clock: Counts from when the run began; None: from now.
    """

    def __init__(
        self, potential: Potential, options: OptimisationConfig, budget: Budget, clock: Clock | None = None
    ) -> None:
        self.potential = potential
        self.averaged = AveragedWeights(potential, options.ema_decay)
        self.options = options
        self.budget = budget
        self.clock = clock or Clock()
        self.step = 0
        self.ending = Ending(options.patience)
        self.step_seconds: deque[float] = deque(maxlen=1000)
        self._weights = [weight for weight in potential.parameters() if weight.requires_grad]
        self.optimiser = self.make_optimiser()
        self._loss_sum, self._loss_count = 0.0, 0
        self._resumed_at = 0.0

    def make_optimiser(self) -> torch.optim.Optimizer:
        """SOAP (Vyas et al. 2024): the lowest errors in equal time, see docs/explanations/potential.md."""
        return SOAP(self._weights, lr=self.learning_rate)

    @property
    def seconds(self) -> float:
        """Seconds since the run began, those before a resumption included."""
        return self.clock.seconds

    @property
    def fraction(self) -> float:
        """Part of the run that is done, 0 to 1: of the budget, or of the steps up to its earlier end."""
        return max(self.budget.fraction(self.step, self.seconds), self.step / self.ending.last_step)

    @property
    def over(self) -> bool:
        """Whether the budget is used, or the run has come to an earlier end."""
        return self.fraction >= 1

    @property
    def epoch(self) -> int:
        """Number of complete epochs, which is that of the epoch under way, counted from zero."""
        return self.step // self.budget.steps_per_epoch

    @property
    def steps_into_epoch(self) -> int:
        """Steps made in the epoch under way."""
        return self.step % self.budget.steps_per_epoch

    @property
    def learning_rate(self) -> float:
        """Rate at this moment of the budget, or of an earlier end."""
        done, options = (self.step, self.seconds), self.options
        suited = default_learning_rate(self.budget.steps(*done), options.batch_size)
        highest = options.learning_rate or min(suited, options.rate_limit or suited)
        factor = learning_rate_factor(self.budget.fraction(*done), options.warmup, options.final_learning_rate)
        return min(highest * factor, self.ending.highest_rate(self.step, options.final_learning_rate))

    @property
    def expected_seconds(self) -> float:
        """Seconds of the whole run, by those of the part that is done; NaN where nothing is."""
        trained = self.seconds - self.budget.begun
        return self.budget.begun + trained / self.fraction if self.fraction > 0 else math.nan

    def warm_up(self, objective: Objective, batch: AtomGraph) -> None:
        """Compile what a step compiles; no weight changes."""
        objective.differentiate(batch, self._weights)
        self.optimiser.zero_grad()

    def start_clock(self) -> None:
        """Let the budget count from now on: a run that goes on has used no more of it than when it stopped."""
        self.budget.begun += self.seconds - self._resumed_at

    def take_step(self, objective: Objective, batch: AtomGraph) -> None:
        """One step of the optimiser and of the average.

        Raises:
            DivergedError: if the loss is not a finite number; the message names the frames.
        """
        begun = self.seconds
        rate = objective.processes.of_first(self.learning_rate)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad()
        try:
            value = objective.differentiate(batch, self._weights)
        except DivergedError as error:
            where = f"in epoch {self.epoch + 1}, step {self.step + 1}, at a learning rate of {self.learning_rate:.2g}"
            raise DivergedError(f"{where}: {error}") from error
        torch.nn.utils.clip_grad_norm_(self._weights, self.options.gradient_clip)
        self.optimiser.step()
        self.averaged.update()
        self.step += 1
        self._loss_sum += value
        self._loss_count += 1
        self.step_seconds.append(self.seconds - begun)

    def go_back(self, weights: dict[str, torch.Tensor]) -> None:
        """Go on from other weights, those of the average too; what the optimiser knows of gradients stays."""
        self.potential.load_state_dict(weights)
        self.averaged.potential.load_state_dict(weights)

    def take_mean_loss(self) -> float:
        """Mean training loss since this was last asked."""
        mean = self._loss_sum / self._loss_count if self._loss_count else float("nan")
        self._loss_sum, self._loss_count = 0.0, 0
        return mean

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: tensors and plain values."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "begun": self.budget.begun,
            "reserve": self.budget.reserve,
            "budget": [self.budget.epochs, self.budget.max_time],
            "ending": self.ending.state_dict(),
            "loss": [self._loss_sum, self._loss_count],
            "potential": self.potential.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint; time goes on from where it was."""
        self.step = state["step"]
        self._resumed_at = state["seconds"]
        self.clock = self.clock.ahead(state["seconds"])
        self.budget.begun, self.budget.reserve = state["begun"], state["reserve"]
        self._loss_sum, self._loss_count = state["loss"]
        self.potential.load_state_dict(state["potential"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.ending = ending_of(state, self.options.patience, self.budget)


def ending_of(state: dict[str, Any], patience: float, budget: Budget) -> Ending:
    """The ending that a checkpoint knows of; another budget lets a run go on, whatever has ended it."""
    ending = Ending(patience)
    if state.get("budget") == [budget.epochs, budget.max_time]:
        ending.load_state_dict(state["ending"])
    return ending
