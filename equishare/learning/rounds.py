"""One round: draw, choose, label, train, and note what was found. A step that is done is never done again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from equishare.atoms.writing import write_xyz
from equishare.clock import Clock
from equishare.files import copy_file, write_text
from equishare.learning.campaign import Campaign, Record
from equishare.learning.choosing import force_spread
from equishare.learning.ledger import append, read_all
from equishare.learning.settings import LearnError
from equishare.learning.training import errors, why_failed
from equishare.potential import load, save

if TYPE_CHECKING:
    from equishare.learning.steps import Steps

SPOILT = 0.5
"""Part of a round's labels that may fail before learning stops: something is wrong with the method."""


def one_round(campaign: Campaign, steps: Steps) -> None:
    """Go through a round, from where an earlier process left it.

    Raises:
        LearnError: if most labels fail.
        KeyboardInterrupt: if a signal came; the round goes on from the step that was under way.
    """
    here = campaign.round
    seconds: dict[str, float] = {}
    here.path.mkdir(parents=True, exist_ok=True)
    with _timed(seconds, "draw"):
        pool, left = _drawn(campaign, steps)
    campaign.check_signals()
    with _timed(seconds, "choose"):
        asked = _chosen(campaign, steps, pool)
    with _timed(seconds, "label"):
        _label(campaign, asked)
    campaign.check_signals()
    before = campaign.potential
    spread = force_spread(campaign, pool)
    new = [f for f in campaign.ledger.frames("valid") if f.atoms.info["round"] == campaign.number]
    with _timed(seconds, "train"):
        campaign.potential = load(here.model) if here.model.exists() else steps.train(campaign)
        if not here.model.exists():  # of a step of one's own
            save(campaign.potential, here.model)
    record = Record(
        number=campaign.number,
        pool=len(pool),
        asked=len(asked),
        labels=len(campaign.ledger),
        failed=len(campaign.ledger.failed),
        left=tuple(left),
        uncertainty=float(np.sqrt(np.mean(spread**2))) if len(spread) and np.isfinite(spread).all() else None,
        fresh=errors(before, new) if before is not None else {},
        held_out=errors(campaign.potential, campaign.ledger.frames("valid")),
        seconds=seconds,
        spread=tuple(np.round(spread[np.isfinite(spread)], 6).tolist()),
    )
    copy_file(here.model, campaign.folder.model)
    record.save(here.record)
    campaign.records.append(record)


def _drawn(campaign: Campaign, steps: Steps) -> tuple[list[Atoms], list[str]]:
    here = campaign.round
    if not here.draw.exists():
        drawn = steps.draw(campaign)
        known = {str(atoms.info.get("id")) for atoms in read_all(campaign.folder.apart)}
        for k, atoms in enumerate(drawn.apart):
            atoms.info["id"] = f"r{campaign.number:03d}-{k:04d}"
            if atoms.info["id"] not in known:
                append(campaign.folder.apart, atoms)
        write_xyz(here.pool, drawn.pool)
        write_text(here.draw, json.dumps({"left": drawn.left}, indent=1))
    return read_all(here.pool), json.loads(here.draw.read_text(encoding="utf-8"))["left"]


def _chosen(campaign: Campaign, steps: Steps, pool: list[Atoms]) -> list[Atoms]:
    here = campaign.round
    if not here.asked.exists():
        asked = steps.choose(campaign, pool)
        for k, atoms in enumerate(asked):
            atoms.info |= {"ask": f"r{campaign.number:03d}-{k:04d}", "round": campaign.number}
        write_xyz(here.asked, asked)
    return read_all(here.asked)


def _label(campaign: Campaign, asked: list[Atoms]) -> None:
    """Label what is not labelled yet; every outcome is written before the next one is looked at."""
    ledger = campaign.ledger
    by_name = {str(atoms.info["ask"]): atoms for atoms in asked}
    waiting = [(name, atoms) for name, atoms in by_name.items() if not ledger.knows(name)]
    if not waiting:
        return
    for name, outcome in campaign.labels.label(waiting, campaign.stopping):
        ledger.add(by_name[name], outcome)
        here = [atoms for atoms in ledger.failed if atoms.info["round"] == campaign.number]
        if len(here) > max(5, SPOILT * len(asked)):
            raise LearnError(
                f"too many labels fail to go on: {why_failed(campaign)}. Their frames are in {campaign.folder.failed}"
            )


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    clock = Clock()
    yield
    seconds[name] = clock.seconds
