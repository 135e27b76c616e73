"""Train on what is labelled, from the last weights on."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from equishare.files import copy_file
from equishare.learning.campaign import Campaign
from equishare.learning.folder import Round
from equishare.learning.settings import LearnError
from equishare.potential import Potential, load
from equishare.training.config.sections import OptimisationConfig, PretrainingConfig
from equishare.training.evaluation.evaluate import evaluate
from equishare.training.from_python import train as fit

WARM_RATE = 0.01
"""Highest learning rate where weights start from those of the round before."""
MEMBERS = 8
"""Of the committee."""
ROUND_SECONDS = 60.0
"""Time that the training of a round takes where there is a limit in time, in place of a number of steps."""
_SHARE = 0.15
"""Part of the whole time that it takes at most."""
FINAL = 4
"""Times the steps of a round that the last training makes."""


def train(campaign: Campaign) -> Potential:
    """The potential of this round: `LearnSettings.training_steps` more steps on all labels there are, or a minute's where time is limited."""
    before = None if campaign.potential is None else campaign.folder.round(campaign.number - 1).model
    whole = campaign.settings.max_time
    seconds = None if whole is None else min(ROUND_SECONDS, _SHARE * whole)
    return train_into(campaign, campaign.round, before, steps=campaign.settings.training_steps, seconds=seconds)


def train_into(
    campaign: Campaign,
    place: Round,
    start: Path | None,
    *,
    steps: int | None = None,
    seconds: float | None = None,
    pretraining: PretrainingConfig | None = None,
) -> Potential:
    """Train on all labels there are for a number of steps or seconds, from a model file, or from what `equishare.train` starts from.

    With `pretraining` it starts from that, and takes its share of the steps or seconds for it.

    The file's own potential stays where it is better on the frames kept to judge by: a rate that suits a minute's training unlearns more than it
    learns in the few steps that a busy machine makes in that time.

    Raises:
        LearnError: if there are too few labels.
        KeyboardInterrupt: if a signal came.
    """
    ledger, settings = campaign.ledger, campaign.settings
    train_on, judge_by = ledger.frames("train"), ledger.frames("valid")
    if not train_on or not judge_by:
        raise LearnError(
            f"there are {len(train_on)} labels to train on and {len(judge_by)} to judge by; one of each is needed. {why_failed(campaign)}"
        )
    shutil.rmtree(place.training, ignore_errors=True)  # of a process that was killed
    given: dict[str, Any] = dict(settings.training)
    size = given.setdefault("batch_size", batch_size(campaign))
    given.setdefault("committee", MEMBERS)
    if pretraining is not None:
        given["pretraining"] = pretraining.model_dump()
        steps = round((1 - pretraining.part(len(train_on))) * (steps or 1))
    elif start is not None:
        given.setdefault("learning_rate", WARM_RATE)
        given["pretraining"] = {"weights": str(start)}
    budget: dict[str, Any] = {"max_time": seconds}
    if seconds is None:
        budget = {"epochs": max(1, math.ceil((steps or 1) / math.ceil(len(train_on) / size)))}
    run = fit(
        train_on,
        valid=judge_by,
        test=0.0,
        out=str(place.training),
        seed=settings.seed,
        report=False,
        **given,
        **budget,
    )
    if run.interrupted is not None:
        raise KeyboardInterrupt
    best = run.folder.model
    if start is not None and not better(load(best), load(start), judge_by):
        best = start
    copy_file(best, place.model)
    return load(place.model)


def better(new: Potential, old: Potential, frames: list[Any]) -> bool:
    """Whether the first has smaller errors of the forces; of the energies, where frames have no forces."""
    ours, theirs = errors(new, frames), errors(old, frames)
    name = "forces" if "forces" in ours else "energy"
    return ours[name] < theirs[name]


def errors(potential: Potential, frames: list[Any]) -> dict[str, float]:
    """Root mean square errors by quantity, as `equishare.training.Evaluation` names them."""
    return {name: found.rmse for name, found in evaluate(potential, frames).errors.items()} if frames else {}


def why_failed(campaign: Campaign) -> str:
    """In words, what became of labels that failed."""
    reasons: dict[str, int] = {}
    for atoms in campaign.ledger.failed:
        reasons[str(atoms.info["reason"])] = reasons.get(str(atoms.info["reason"]), 0) + 1
    if not reasons:
        return ""
    most = max(reasons, key=lambda reason: reasons[reason])
    return f"{sum(reasons.values())} labels failed, most of them so: {most.rstrip('.')}"


def batch_size(campaign: Campaign) -> int:
    """Structures a step."""
    given: Mapping[str, Any] = campaign.settings.training.get("optimisation", {})
    atoms = sum(len(start) for start in campaign.starts) / len(campaign.starts)
    return int(given.get("batch_size") or max(1, round(OptimisationConfig().batch_atoms / atoms)))
