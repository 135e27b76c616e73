"""Choose what to label: what the committee is unsure of and what is unlike the rest, and a few at random to judge by."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from equishare.learning.campaign import Campaign
from equishare.learning.ledger import bare, same_geometry
from equishare.training.selection import select

AT_RANDOM = 0.2
"""Part of the labels that is picked at random: an honest sample of what dynamics visits, never trained on."""
_WORTH = 0.5
"""A label would change something where the forces' uncertainty is above this part of the wanted accuracy."""


def how_many(campaign: Campaign) -> int:
    """Labels to ask for in this round: `first` ones, then a quarter of what there is, ten at least; as far as the budget reaches."""
    settings = campaign.settings
    wanted = settings.first if campaign.potential is None else max(10, len(campaign.ledger) // 4)
    return max(0, min(wanted, settings.max_labels - campaign.spent))


def choose(campaign: Campaign, pool: list[Atoms]) -> list[Atoms]:
    """The frames of the pool to label, with their role and the reason in ``info``; nothing that was asked for before, no copies."""
    count = how_many(campaign)
    seen = {same_geometry(atoms) for atoms in [*campaign.ledger.labelled, *campaign.ledger.failed]}
    fresh = []
    for atoms in pool:
        if (key := same_geometry(atoms)) not in seen:
            seen.add(key)
            fresh.append(atoms)
    order = [int(k) for k in campaign.rng("choose").permutation(len(fresh))]
    n_random = min(len(order), count, max(2, round(AT_RANDOM * count)))
    kept = [_asked(fresh[k], role="valid", why="at random, to judge by") for k in order[:n_random]]
    rest = [fresh[k] for k in order[n_random:]]
    if campaign.potential is None or campaign.potential.committee is None:
        return kept + [_asked(atoms, role="train", why="at random") for atoms in rest[: count - n_random]]
    spread = force_spread(campaign, rest)
    worth = np.flatnonzero(spread > _WORTH * campaign.settings.accuracy)
    n_train = min(count - n_random, len(worth))
    if not n_train:
        return kept
    chosen = worth[select(campaign.potential, [rest[k] for k in worth], n_train)]
    return kept + [
        _asked(rest[k], role="train", why=f"forces uncertain by {1000 * spread[k]:.0f} meV/Å", spread=float(spread[k]))
        for k in chosen
    ]


def force_spread(campaign: Campaign, pool: list[Atoms]) -> np.ndarray:
    """Root mean square uncertainty of the forces of each frame in eV/Å, ``[frames]``; NaN where the potential does not know."""
    potential = campaign.potential
    if potential is None or potential.committee is None or not pool:
        return np.full(len(pool), np.nan)
    found = potential.predict(pool, forces=False, forces_uncertainty=True)
    return np.array([np.sqrt(np.mean(np.square(each["forces_uncertainty"]))) for each in found])


def _asked(atoms: Atoms, role: str, why: str, **info: float) -> Atoms:
    image = bare(atoms)
    image.info |= {"role": role, "why": why, **info}
    return image
