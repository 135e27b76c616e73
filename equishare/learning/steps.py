"""The steps of a round, each of which may be replaced by a function of one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ase import Atoms

from equishare.learning.campaign import Campaign
from equishare.learning.choosing import choose
from equishare.learning.drawing import Drawn, draw
from equishare.learning.stopping import stop
from equishare.learning.training import train
from equishare.potential import Potential


@dataclass(frozen=True)
class Steps:
    """What a round does; every function is given the `Campaign` first.

    Attributes:
        draw: Configurations to choose from. ``info`` is kept.
        choose: Those of the pool to label: copies whose ``info`` holds ``role`` ("train", or "valid": kept to judge by) and ``why``.
        train: The potential, fitted to ``campaign.ledger.frames("train")`` and chosen by ``campaign.ledger.frames("valid")``.
        stop: Why learning is over, or None; what begins with "reached" counts as success.
    """

    draw: Callable[[Campaign], Drawn] = draw
    choose: Callable[[Campaign, list[Atoms]], list[Atoms]] = choose
    train: Callable[[Campaign], Potential] = train
    stop: Callable[[Campaign], str | None] = stop
