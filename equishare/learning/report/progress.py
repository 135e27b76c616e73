"""A line each round."""

from __future__ import annotations

from rich.console import Console

from equishare.learning.campaign import Campaign, Record

HEADER = (
    "round   time  labels  failed   fresh  held out  uncertainty  trajectories\n"
    "                            F meV/Å   F meV/Å        meV/Å       stopped"
)


class Table:
    """Prints the table; its rows fit into 80 columns."""

    def __init__(self, console: Console, campaign: Campaign) -> None:
        self.console, self.campaign = console, campaign
        self.begun = False
        for record in campaign.records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Print a round."""
        if not self.begun:
            self.console.print(HEADER, highlight=False, markup=False)
            self.begun = True
        seconds = sum(sum(each.seconds.values()) for each in self.campaign.records[: record.number + 1])
        self.console.print(
            f"{record.number:>5} {seconds:>5.0f}s {record.labels:>7} {record.failed:>7} "
            f"{milli(record.fresh.get('forces')):>7} {milli(record.held_out.get('forces')):>9} "
            f"{milli(record.uncertainty):>12} {len(record.left):>13}",
            highlight=False,
            markup=False,
        )


def milli(value: float | None) -> str:
    """In thousandths, three digits.

    >>> milli(0.01234), milli(None)
    ('12.3', '-')
    """
    return "-" if value is None else f"{1000 * value:.3g}"
