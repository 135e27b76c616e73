"""What a run is likely to reach, judged by its validations so far."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Mark:
    """How runs went on from a part of their budget, as `benchmarks/forecast.py` finds it in runs that are over.

    Attributes:
        fraction: Of the budget, f.
        power: p, see `Forecast`.
        low: Four fifths of the runs ended between this and `high` times what the power law says.
        high: See there.
    """

    fraction: float
    power: float
    low: float
    high: float


MARKS = (Mark(fraction=0.25, power=1.02, low=0.67, high=1.23), Mark(fraction=0.5, power=0.64, low=0.89, high=1.08))

FEWEST = 12
"""Validations of a whole run: of fewer nothing was learnt, and nothing is said."""


@dataclass
class Forecast:
    r"""Where an error will be at the end of the budget, by what the second half of the time so far has brought.

    .. math:: \epsilon_1 \approx \epsilon_f \Big( \frac{\epsilon_f}{\epsilon_{f/2}} \Big)^{p_f}

    with ε_f the lowest error of a run up to the fraction f of its budget. A rule of experience, of runs whose learning rate falls by a cosine:
    no law, and nothing known of other schedules.

    >>> forecast = Forecast()
    >>> [forecast.after(fraction, error) for fraction, error in ((0.1, 30.0), (0.12, 20.0), (0.25, 10.0), (0.3, 9.0))]
    [None, None, (3.3, 6.1), None]
    """

    seen: list[tuple[float, float]] = field(default_factory=list)

    def after(self, fraction: float, error: float) -> tuple[float, float] | None:
        """Between which errors the run is likely to end, where one of the `MARKS` is passed; else None.

        Args:
            fraction: Of the budget, at this validation.
            error: At this validation.
        """
        before = self.seen[-1][0] if self.seen else 0.0
        self.seen.append((fraction, error))
        for mark in MARKS:
            # one that comes late says less about the time that is left
            if before < mark.fraction <= fraction < mark.fraction + 0.1:
                if len(self.seen) < mark.fraction * FEWEST:
                    return None
                early, now = self._lowest(mark.fraction / 2), self._lowest(fraction)
                if early is None or now is None:
                    return None
                likely = now * (now / early) ** mark.power
                return round(mark.low * likely, 1), round(min(mark.high * likely, now), 1)
        return None

    def _lowest(self, fraction: float) -> float | None:
        found = [error for at, error in self.seen if at <= fraction]
        return min(found) if found else None
