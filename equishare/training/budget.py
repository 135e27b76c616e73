"""How much of a budget is used, and the learning rate that goes with it."""

import math
from dataclasses import dataclass


@dataclass
class Budget:
    """A number of epochs, or a length of time from the start of the run to its report.

    Attributes:
        epochs: Passes over the training frames, or None.
        max_time: Seconds in all, or None.
        steps_per_epoch: Batches of the training frames.
        begun: Seconds that had passed when training began.
        reserve: Seconds to keep for what follows training.

    >>> budget = Budget(epochs=10, steps_per_epoch=5)
    >>> budget.fraction(step=25, seconds=1.0)
    0.5
    >>> Budget(max_time=100.0, begun=10.0, reserve=10.0).fraction(step=7, seconds=50.0)
    0.5
    """

    epochs: int | None = None
    max_time: float | None = None
    steps_per_epoch: int = 1
    begun: float = 0.0
    reserve: float = 0.0

    def fraction(self, step: int, seconds: float) -> float:
        """Part of the training that is done, 0 to 1, after so many steps and seconds since the start."""
        if self.epochs is not None:
            return min(1.0, step / (self.epochs * self.steps_per_epoch))
        if self.max_time is None:
            raise ValueError("a budget needs epochs or max_time")
        return min(1.0, max(0.0, (seconds - self.begun) / self._available()))

    def steps(self, step: int, seconds: float) -> float:
        """Steps of the whole training, judged by those that are done after so many seconds; 0 before the first.

        >>> Budget(epochs=10, steps_per_epoch=5).steps(step=0, seconds=1.0)
        50.0
        >>> Budget(max_time=100.0).steps(step=7, seconds=50.0)
        14.0
        """
        if self.epochs is not None:
            return float(self.epochs * self.steps_per_epoch)
        return step / max(self.fraction(step, seconds), 1e-6)

    def _available(self) -> float:
        """Seconds for training: what is left of the whole, but a fifth of it at least."""
        whole = self.max_time or 0.0
        return max(whole - self.begun - self.reserve, 0.2 * whole, 1e-3)


def default_max_time(atoms: int) -> float:
    """Seconds that suit a number of training atoms: 30 minutes for 6,750, growing as the square root, 10 min to 8 h.

    >>> default_max_time(6_750), default_max_time(27_000)
    (1800.0, 3600.0)
    """
    return float(min(max(round(30 * math.sqrt(atoms / 6_750)), 10), 480) * 60)


def default_learning_rate(steps: float, frames: int | None = None) -> float:
    """Highest rate of SOAP that suits a number of steps of so many frames: 0.02 (6,000 / steps)^1/2, but 0.04 at most, times (frames / 5)^1/2 below 5.

    A rate that a short run needs to get anywhere fits the training frames of a long one at the expense of all others. Where a step holds one
    frame, as of a crystal, the next one pulls elsewhere, and a high rate never settles: energies of kinds of frames keep a bias. See
    docs/explanations/potential.md.

    Args:
        steps: Of the whole training.
        frames: A step; None: five or more.

    >>> [round(default_learning_rate(steps), 4) for steps in (100, 6_000, 96_000)]
    [0.04, 0.02, 0.005]
    >>> round(default_learning_rate(6_000, frames=1), 4)
    0.0089
    """
    noise = 1.0 if frames is None else min(1.0, frames / 5) ** 0.5
    return noise * min(0.04, 0.02 * (6_000 / max(steps, 1.0)) ** 0.5)


def learning_rate_factor(fraction: float, warmup: float, final: float) -> float:
    """Linear from 0 to 1 over the warm-up, then a cosine to `final`, over the fraction of the budget used.

    >>> [round(learning_rate_factor(f, warmup=0.1, final=0.01), 3) for f in (0.05, 0.1, 0.55, 1.0)]
    [0.5, 1.0, 0.505, 0.01]
    """
    if fraction < warmup:
        return max(fraction / warmup, 0.01)
    progress = (fraction - warmup) / (1 - warmup)
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
