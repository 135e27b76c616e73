"""Time that passes, and what is left of it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Clock:
    """Counts seconds from when it is made, by a clock of the machine that never goes back.

    >>> clock = Clock()
    >>> 0.0 <= clock.seconds < clock.ahead(60.0).seconds
    True
    >>> clock.left(3600.0) <= 3600.0, clock.left(0.0) <= 0.0, clock.left(None)
    (True, True, inf)
    """

    begun: float = field(default_factory=lambda: time.perf_counter())

    @property
    def seconds(self) -> float:
        """Seconds since then."""
        return time.perf_counter() - self.begun

    def left(self, limit: float | None) -> float:
        """Seconds until a limit, negative after it; None is no limit."""
        return math.inf if limit is None else limit - self.seconds

    def ahead(self, seconds: float) -> Clock:
        """A clock that shows so many seconds more: those that an earlier process took count as well."""
        return Clock(self.begun - seconds)
