"""Frames divided into training, validation and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from equishare.atoms.duplicates import group_duplicates
from equishare.atoms.frame import Frame, split_isolated
from equishare.errors import EquishareError

__all__ = ["Split", "SplitError", "split_frames"]


class SplitError(EquishareError):
    """A part of the split would be empty, or a fraction is none."""


@dataclass(frozen=True, eq=False)
class Split:
    """Frames to fit, to choose by, and to judge by; isolated atoms are in none of them."""

    train: tuple[Frame, ...]
    valid: tuple[Frame, ...]
    test: tuple[Frame, ...] = ()


def split_frames(
    frames: Sequence[Frame],
    valid: float | Sequence[Frame] = 0.1,
    test: float | Sequence[Frame] = 0.1,
    *,
    generator: np.random.Generator,
    cutoff: float = 5.0,
) -> Split:
    """Divide `frames`; `valid` and `test` are fractions of them, or frames of their own.

    Frames are drawn at random with `generator`; the same geometry, also turned or mirrored, never lies on two
    sides. Isolated atoms (no neighbour within the cutoff in Å) are left out. A fraction above zero gives at least one frame.

    Neighbouring frames of one trajectory are alike: their validation error flatters. Where there are several
    trajectories, give one as a file of its own.

    Raises:
        SplitError: a fraction outside [0, 1), or a training or validation part without frames.

    >>> from equishare.atoms import read_frames
    >>> frames = read_frames("ethanol@:43")  # 3 isolated atoms, 40 frames of ethanol
    >>> split = split_frames(frames, 0.1, 0.2, generator=np.random.default_rng(0))
    >>> len(split.train), len(split.valid), len(split.test)
    (28, 4, 8)
    """
    _, pool = split_isolated(frames, cutoff)
    sizes = []
    for part, name in ((valid, "valid"), (test, "test")):
        if not isinstance(part, (int, float)):
            sizes.append(0)
            continue
        if not 0 <= part < 1:
            raise SplitError(f"expected a fraction from 0 to below 1 for {name}, got {part}")
        sizes.append(max(1, round(part * len(pool))) if part and pool else 0)
    drawn_valid, drawn_test, train = _draw(pool, sizes, generator)
    parts = Split(
        train=tuple(train),
        valid=tuple(drawn_valid if isinstance(valid, (int, float)) else split_isolated(valid, cutoff)[1]),
        test=tuple(drawn_test if isinstance(test, (int, float)) else split_isolated(test, cutoff)[1]),
    )
    if not parts.train:
        raise SplitError(
            f"the training part is empty: {len(frames)} frames were given, {len(frames) - len(pool)} of them "
            f"isolated atoms, {sizes[0]} asked for validation and {sizes[1]} for test; give more frames or "
            "smaller fractions (copies of one geometry stay together)"
        )
    if not parts.valid:
        raise SplitError(
            "the validation part is empty: give a fraction above 0 (0.1 is usual) or a file with frames "
            "other than isolated atoms"
        )
    if not parts.test and not (isinstance(test, (int, float)) and test == 0):
        raise SplitError("the test part is empty: give a file with frames other than isolated atoms, or test=0")
    return parts


def _draw(
    pool: Sequence[Frame], sizes: Sequence[int], generator: np.random.Generator
) -> tuple[list[Frame], list[Frame], list[Frame]]:
    """Parts of at least the sizes asked, as long as frames last, then the rest; duplicates stay together."""
    if not pool:
        return [], [], []
    groups = group_duplicates(pool)
    order = generator.permutation(groups.max() + 1)
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups))[:-1])
    chosen: list[list[int]] = [[], [], []]
    part = 0
    for group in order:
        while part < 2 and len(chosen[part]) >= sizes[part]:
            part += 1
        chosen[part].extend(int(n) for n in members[group])
    first, second, rest = ([pool[n] for n in sorted(indices)] for indices in chosen)
    return first, second, rest
