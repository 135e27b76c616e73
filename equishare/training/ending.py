"""The end of a run: where validation no longer improves, it goes back to the best weights, turns the rate down, and ends with that."""

from __future__ import annotations

import math
from typing import Any

from equishare.training.budget import learning_rate_factor

_BETTER = 0.98
"""Times the lowest validation loss: less of a gain is chance."""
_LEARNT = 0.7
"""Training loss over the lowest validation loss: where it is no lower, the rate is too high for both, and falls by itself."""
_STEPS = 500
"""Without a lower loss, at least: short runs end with their budget."""
_VALIDATIONS = 5
"""Without a lower loss, at least."""
_LENGTH = 0.3
"""Of the ending, in steps that led to the best weights."""


class Ending:
    r"""When a run ends before its budget does, and how its learning rate falls then.

    It begins where the validation loss has not become 2 % lower in a part p of all steps so far, while the training loss was
    well below it. The weights are again those of the lowest validation loss, after n_b steps; from the step n_0 of now on, with the
    rate η_0 of now,

    .. math:: \eta(n) = \eta_0 \Big( f + (1 - f) \frac{1 + \cos \pi t}{2} \Big), \qquad t = \frac{n - n_0}{0.3\, n_b}

    until t = 1, where f is the final rate relative to the highest. A rule of experience: what it gives stands in
    docs/explanations/potential.md. It follows from validations and steps alone, so that a run with a budget in epochs can be repeated.

    Args:
        patience: p; 0: it never begins.

    >>> ending = Ending(patience=0.25)
    >>> [ending.after(step, valid_loss=1.0, train_loss=0.5, rate=0.01) for step in range(1000, 2001, 200)]
    [False, False, False, False, False, True]
    >>> [ending.part(step) for step in (2000, 2150, 2300)], round(ending.highest_rate(2150, final=0.0), 4)
    ([0.0, 0.5, 1.0], 0.005)
    """

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self.lowest = math.inf
        self.lowest_step = 0
        self.best = math.inf
        self.best_step = 0
        self.train_losses: list[float] = []
        self.begun: int | None = None
        self.rate = math.inf

    def after(self, step: int, valid_loss: float, train_loss: float, rate: float) -> bool:
        """Take in a validation; whether the ending begins with it.

        Args:
            step: Steps made.
            valid_loss: Of the averaged weights.
            train_loss: Mean since the last validation.
            rate: Learning rate now.
        """
        if self.begun is not None:
            return False
        if valid_loss < self.best:
            self.best, self.best_step = valid_loss, step
        if valid_loss < _BETTER * self.lowest:
            self.lowest, self.lowest_step, self.train_losses = valid_loss, step, []
            return False
        self.train_losses.append(train_loss)
        steps, seen = step - self.lowest_step, len(self.train_losses)
        if not self.patience or steps < max(self.patience * step, _STEPS) or seen < _VALIDATIONS:
            return False
        if not sum(self.train_losses) / seen < _LEARNT * self.lowest:
            return False
        self.begun, self.rate = step, rate
        return True

    @property
    def last_step(self) -> float:
        """The step after which the run is over; infinite where nothing has begun."""
        return math.inf if self.begun is None else self.begun + math.ceil(_LENGTH * self.best_step)

    def part(self, step: int) -> float:
        """Part of the ending that is done, 0 to 1; 0 before it begins."""
        return 0.0 if self.begun is None else min(1.0, (step - self.begun) / (self.last_step - self.begun))

    def highest_rate(self, step: int, final: float) -> float:
        """Most that the learning rate is; infinite before it begins."""
        return self.rate * learning_rate_factor(self.part(step), warmup=0.0, final=final)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {name: value for name, value in vars(self).items() if name != "patience"}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        vars(self).update(state)
