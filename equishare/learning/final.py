"""The last training: longer than those of the rounds, on everything that is labelled."""

from __future__ import annotations

import filecmp
from collections.abc import Iterator

from equishare.files import copy_file
from equishare.learning.campaign import Campaign
from equishare.learning.cheap import xtb_suits
from equishare.learning.training import FINAL, batch_size, train_into
from equishare.training.config.sections import PretrainingConfig
from equishare.training.config.settings import sections_of
from equishare.training.pretraining.pretrain import PretrainingError
from equishare.training.pretraining.sampling import SamplingError

_SHARE = 0.75
"""Part of the time that is left that it may take; dynamics and report take the rest."""
_PASSES = 10
"""Over the frames that GFN2-xTB draws."""
_HOTTER = 1.5
"""Times the highest temperature: they are drawn there too."""


def final_training(campaign: Campaign) -> None:
    """Train once more; what is better on the frames kept to judge by stays.

    Where GFN2-xTB suits the structures and another method labels, what xTB misses is learnt from the labels, and the network fits many frames of
    both before it fits the labels (`equishare.training.pretraining`); where that makes it no better, it is trained on from the weights of the last
    round.
    """
    here, settings = campaign.folder.final, campaign.settings
    done = here.path / f"{len(campaign.ledger)}-labels"
    if done.exists():
        return
    here.path.mkdir(parents=True, exist_ok=True)
    before, steps = campaign.folder.model, FINAL * settings.training_steps
    for pretraining in ways(campaign, steps):
        campaign.console.print(
            f"Training once more on all labels{'' if pretraining is None else ', after many frames of GFN2-xTB and what it misses'} ...",
            highlight=False,
        )
        seconds = None if settings.max_time is None else max(_SHARE * campaign.clock.left(settings.max_time), 1.0)
        try:
            found = train_into(campaign, here, before, steps=steps, seconds=seconds, pretraining=pretraining)
        except (SamplingError, PretrainingError):
            continue
        if not filecmp.cmp(here.model, before, shallow=False):
            break
    campaign.potential = found
    copy_file(here.model, before)
    done.touch()


def ways(campaign: Campaign, steps: int) -> Iterator[PretrainingConfig | None]:
    """What to start from, the best first; None: the weights of the last round."""
    settings = campaign.settings
    based = sections_of(settings.training).get("model", {}).get("base")
    if campaign.method != "xtb" and based is None and xtb_suits(campaign.starts):
        temperatures = sorted({*settings.temperatures, _HOTTER * max(settings.temperatures)})
        frames = max(25, min(PretrainingConfig().frames, steps * batch_size(campaign) // _PASSES))
        yield PretrainingConfig(source="xtb", frames=frames, temperatures=temperatures)
    yield None
