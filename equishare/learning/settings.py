"""What can be set about learning from a structure."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from equishare.errors import EquishareError
from equishare.training.config.durations import parse_duration


class LearnError(EquishareError):
    """Learning cannot start, or go on, as asked."""


@dataclass(frozen=True)
class LearnSettings:
    """How a potential is learnt from a structure.

    Attributes:
        temperatures: In K, of the dynamics that draws configurations.
        pressure: In bar, of dynamics whose cell may breathe; None: the cell stays.
        accuracy: In eV/Å: root mean square error of the forces that is wanted, and uncertainty along fresh trajectories.
        max_labels: Labels that may be made; failed ones count.
        max_time: Seconds, or a text such as ``"2h"``, for everything, the report included; None: no limit.
        label_limit: Seconds, or a text, that one label may take.
        workers: Labels made at a time.
        first: Labels before the first training; later rounds ask for a quarter of what there is, ten at least.
        picoseconds: Length of a trajectory in a round.
        training_steps: Training steps of a round, where time is not limited; the last training makes four times as many.
        seed: Of everything that is drawn.
        training: Settings of `equishare.train`, by their names.

    Raises:
        LearnError: for a number that makes no sense.
        DurationError: for a text that is no length of time.

    >>> LearnSettings(temperatures=(300.0, -1.0))
    Traceback (most recent call last):
    ...
    equishare.learning.settings.LearnError: temperatures must be above 0 K, got (300.0, -1.0)
    >>> LearnSettings(max_time="1h30m").max_time
    5400.0
    """

    temperatures: tuple[float, ...] = (300.0,)
    pressure: float | None = None
    accuracy: float = 0.02
    max_labels: int = 500
    max_time: float | None = None
    label_limit: float = 3600.0
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    first: int = 40
    picoseconds: float = 1.0
    training_steps: int = 1500
    seed: int = 0
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "temperatures", tuple(float(t) for t in self.temperatures))
        for name in ("max_time", "label_limit"):
            if isinstance(value := getattr(self, name), str):
                object.__setattr__(self, name, parse_duration(value))
        limits = {
            "temperatures": (self.temperatures and all(0 < t < math.inf for t in self.temperatures), "above 0 K"),
            "accuracy": (0 < self.accuracy < math.inf, "above 0 eV/Å"),
            "max_labels": (self.max_labels >= 10, "10 at least"),
            "max_time": (self.max_time is None or self.max_time > 0, "above 0 s"),
            "label_limit": (self.label_limit > 0, "above 0 s"),
            "workers": (self.workers >= 1, "1 at least"),
            "first": (self.first >= 10, "10 at least: some are kept to judge by"),
            "picoseconds": (0 < self.picoseconds < math.inf, "above 0"),
            "training_steps": (self.training_steps >= 1, "1 at least"),
        }
        for name, (good, wanted) in limits.items():
            if not good:
                raise LearnError(f"{name} must be {wanted}, got {getattr(self, name)}")
        reserved = {
            "valid",
            "test",
            "out",
            "epochs",
            "max_time",
            "seed",
            "resume",
            "pretraining",
            "weights",
            "report",
        } & set(self.training)
        if reserved:
            raise LearnError(f"training: {', '.join(sorted(reserved))} is set by learning itself; leave it out")

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return asdict(self)
