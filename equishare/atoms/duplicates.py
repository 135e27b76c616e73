"""Frames that are the same geometry, however turned, mirrored, shifted or with atoms in another order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from equishare.atoms.frame import Frame
from equishare.atoms.geometries import INVARIANT_REACH, geometries

__all__ = ["group_duplicates"]

_TOLERANCE = 1e-4  # relative, of the invariants: sorts out candidates
_DISTANCE_TOLERANCE = 5e-4  # Å: rounded positions stay below it, one MD step of 0.5 fs moves atoms by 1e-2
_WINDOW = 8  # duplicates follow one another when sorted; this many other geometries may come between


def group_duplicates(frames: Sequence[Frame]) -> Int[np.ndarray, " frames"]:
    """A number for each frame, equal for frames that are the same geometry.

    Frames without a sound geometry (`is_sound`) are each on their own. The work grows with the frames, not with their square.

    >>> from ase.build import molecule
    >>> group_duplicates([Frame(molecule(name)) for name in ("H2O", "NH3", "H2O")]).tolist()
    [0, 1, 0]
    """
    measured = geometries(frames)
    by_composition: dict[tuple[bytes, tuple[bool, ...]], list[int]] = defaultdict(list)
    group = np.arange(len(frames))
    for n in np.flatnonzero(measured.sound).tolist():
        by_composition[frames[n].composition.ordered, frames[n].pbc].append(n)
    for members in by_composition.values():
        if len(members) > 1:
            group[members] = np.array(members)[_first_alike([frames[n] for n in members], measured.invariants[members])]
    _, first, number = np.unique(group, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[number]  # numbered as they appear


def _first_alike(
    frames: Sequence[Frame], vectors: Float[np.ndarray, "frames invariants"]
) -> Int[np.ndarray, " frames"]:
    """For each frame the number of one like it, the same for all that are alike."""
    vectors = vectors / np.maximum(np.abs(vectors).max(axis=0), 1e-3)
    first = np.arange(len(frames))
    recent: list[int] = []  # the last geometries that differ, the newest at the end
    distances: dict[int, np.ndarray] = {}
    order = np.argsort(vectors.sum(axis=1), kind="stable")
    if not _any_near(vectors[order]):
        return first
    for n in order.tolist():
        for other in reversed(recent):
            if np.abs(vectors[n] - vectors[other]).max() < _TOLERANCE:
                for m in (n, other):
                    if m not in distances:
                        distances[m] = np.sort(frames[m].neighbours(INVARIANT_REACH).distances)
                if _same_distances(distances[n], distances[other]):
                    first[n] = other
                    break
        else:
            recent.append(n)
            for forgotten in recent[:-_WINDOW]:
                distances.pop(forgotten, None)
            recent = recent[-_WINDOW:]
        if first[n] != n:
            distances.pop(n, None)
    return first


def _any_near(vectors: Float[np.ndarray, "frames invariants"]) -> bool:
    """Whether any of the sorted geometries may be like one of those that come shortly before it."""
    return any(
        bool((np.abs(vectors[steps:] - vectors[:-steps]).max(axis=1) < _TOLERANCE).any())
        for steps in range(1, min(_WINDOW, len(vectors) - 1) + 1)
    )


def _same_distances(first: Float[np.ndarray, " pairs"], second: Float[np.ndarray, " pairs"]) -> bool:
    # a small displacement changes sums over many pairs in second order only, but each distance in first
    inner = min(len(first), len(second))  # what lies on the cutoff may be in one list only
    if abs(len(first) - len(second)) > 0.05 * inner + 2:
        return False
    return bool(np.abs(first[:inner] - second[:inner]).max(initial=0.0) < _DISTANCE_TOLERANCE)
