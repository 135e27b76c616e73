"""The last training: longer than those of the rounds, on everything that is labelled."""

from __future__ import annotations

from equishare.files import copy_file
from equishare.learning.campaign import Campaign
from equishare.learning.training import FINAL, train_into

_SHARE = 0.75
"""Part of the time that is left that it may take; dynamics and report take the rest."""


def final_training(campaign: Campaign) -> None:
    """Train once more; what is better on the frames kept to judge by stays."""
    here, settings = campaign.folder.final, campaign.settings
    done = here.path / f"{len(campaign.ledger)}-labels"
    if done.exists():
        return
    here.path.mkdir(parents=True, exist_ok=True)
    campaign.console.print("Training once more on all labels ...", highlight=False)
    seconds = None if settings.max_time is None else max(_SHARE * campaign.clock.left(settings.max_time), 1.0)
    steps = FINAL * settings.training_steps
    campaign.potential = train_into(campaign, here, campaign.folder.model, steps=steps, seconds=seconds)
    copy_file(here.model, campaign.folder.model)
    done.touch()
