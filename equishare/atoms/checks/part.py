"""Frames of one part of the split, with what several checks measure on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from equishare.atoms.checks.findings import DataFinding, Level
from equishare.atoms.checks.measures import nearest_over_covalent
from equishare.atoms.frame import Frame, split_isolated
from equishare.atoms.neighbours import is_sound

__all__ = ["Part", "concerning"]

_REACH = 6.0  # Å; far enough to meet the nearest atom when positions are in Bohr


@dataclass(frozen=True, eq=False)
class Part:
    """Frames of one part of the split, with their distances where the geometry is sound.

    `nearest_ratios`, `nearest` (Å) and `lonely` (atoms without a neighbour within `cutoff`) go with `sound`,
    the numbers of the frames that have distances.
    """

    name: str
    frames: tuple[Frame, ...]
    isolated: tuple[Frame, ...]
    cutoff: float
    sound: tuple[int, ...]
    nearest_ratios: tuple[Float[np.ndarray, " atoms"], ...]
    nearest: tuple[float, ...]
    lonely: tuple[int, ...]

    @classmethod
    def of(cls, name: str, frames: Sequence[Frame], cutoff: float) -> Part:
        """Set isolated atoms apart, and measure the distances of the rest."""
        isolated, rest = split_isolated(frames, cutoff)
        sound, ratios, nearest, lonely = [], [], [], []
        for n, frame in enumerate(rest):
            if not is_sound(frame.atoms):
                continue
            pairs = frame.neighbours(max(cutoff, _REACH))
            sound.append(n)
            ratios.append(nearest_over_covalent(frame.atoms, pairs))
            nearest.append(float(pairs.distances.min(initial=np.inf)))
            within = np.bincount(pairs.within(cutoff).receiver, minlength=len(frame.atoms))
            lonely.append(int((within == 0).sum()) if len(frame.atoms) > 1 else 0)
        return cls(
            name, tuple(rest), tuple(isolated), cutoff, tuple(sound), tuple(ratios), tuple(nearest), tuple(lonely)
        )

    @property
    def sound_frames(self) -> list[Frame]:
        """Frames that have distances."""
        return [self.frames[n] for n in self.sound]


def concerning(
    level: Level, code: str, part: str, frames: Iterable[Frame], message: str, advice: str
) -> Iterator[DataFinding]:
    """A finding on some frames, '#' in its message being their number; none where there are no frames."""
    names = tuple(frame.name for frame in frames)
    if names:
        count = "1 frame" if len(names) == 1 else f"{len(names)} frames"
        yield DataFinding(level, code, f"{part}: {message.replace('#', count)}", advice, names)
