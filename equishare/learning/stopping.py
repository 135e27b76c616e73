"""When learning is over."""

from __future__ import annotations

from equishare.learning.campaign import Campaign, Record
from equishare.training.config.durations import format_duration

_RESERVE = 0.25
"""Part of the time that is kept for the last training, the dynamics and the report."""


def stop(campaign: Campaign) -> str | None:
    """Reached, or out of budget; None: another round.

    Reached is the accuracy where errors on fresh frames, picked at random from trajectories that ran to their end, by the potential that drew
    them, errors of all frames kept to judge by, and the uncertainty along those trajectories are all within it.
    """
    settings, record = campaign.settings, campaign.records[-1]
    if reached(record, settings.accuracy):
        return f"reached: forces within {1000 * settings.accuracy:g} meV/Å"
    if campaign.spent >= settings.max_labels:
        return f"{campaign.spent} labels are used"
    if record.number and not record.asked:
        return "nothing is left to ask: every configuration that was drawn is labelled already"
    if settings.max_time is not None:
        left = campaign.clock.left((1 - _RESERVE) * settings.max_time)
        if left < sum(record.seconds.values()):
            return f"another round would not fit into {format_duration(settings.max_time)}"
    return None


def reached(record: Record, accuracy: float) -> bool:
    """Whether a round says that the accuracy is reached."""
    measured = (record.fresh.get("forces"), record.held_out.get("forces"), record.uncertainty)
    return not record.left and all(value is not None and value <= accuracy for value in measured)
