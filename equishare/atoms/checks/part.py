"""Frames of one part of the split, with what several checks measure on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int

from equishare.atoms.checks.findings import DataFinding, Level
from equishare.atoms.frame import Frame, split_isolated
from equishare.atoms.geometries import REACH, Geometries, geometries

__all__ = ["Part", "concerning"]


@dataclass(frozen=True, eq=False)
class Part:
    """Frames of one part of the split, with what was measured of their geometries.

    `geometries` is of all frames, `lonely` (atoms without a neighbour within `cutoff`) of the sound ones, whose numbers `sound` has.
    """

    name: str
    frames: tuple[Frame, ...]
    isolated: tuple[Frame, ...]
    cutoff: float
    geometries: Geometries
    sound: Int[np.ndarray, " sound"]
    lonely: Int[np.ndarray, " sound"]

    @classmethod
    def of(cls, name: str, frames: Sequence[Frame], cutoff: float) -> Part:
        """Set isolated atoms apart, and measure the distances of the rest."""
        isolated, rest = split_isolated(frames, cutoff)
        measured = geometries(rest)
        sound = np.flatnonzero(measured.sound)
        alone = np.concatenate([[0], np.cumsum(measured.nearest >= min(cutoff, REACH))])
        lonely = np.diff(alone[measured.starts])[sound]
        for place in np.flatnonzero(lonely).tolist():
            frame = rest[int(sound[place])]
            if frame.n_atoms == 1:
                lonely[place] = 0
            elif cutoff > REACH:
                within = np.bincount(frame.neighbours(cutoff).receiver, minlength=frame.n_atoms)
                lonely[place] = int((within == 0).sum())
        return cls(name, tuple(rest), tuple(isolated), cutoff, measured, sound, lonely)

    @property
    def sound_frames(self) -> list[Frame]:
        """Frames that have distances."""
        return [self.frames[n] for n in self.sound.tolist()]

    @property
    def suspects(self) -> list[Frame]:
        """Isolated atoms, and frames that have no distances."""
        return [*self.isolated, *(self.frames[n] for n in np.flatnonzero(~self.geometries.sound).tolist())]

    @property
    def nearest(self) -> Float32[np.ndarray, " sound"]:
        """The shortest distance in Å of each sound frame; inf where there is none within 6 Å."""
        return self.geometries.least(self.geometries.nearest)[self.sound]

    @property
    def ratios(self) -> Float32[np.ndarray, " atoms"]:
        """Of each atom of sound frames, the least distance over the sum of the covalent radii; inf where there is none."""
        return self.geometries.of(self.geometries.sound).ratios


def concerning(
    level: Level, code: str, part: str, frames: Iterable[Frame], message: str, advice: str
) -> Iterator[DataFinding]:
    """A finding on some frames, '#' in its message being their number; none where there are no frames."""
    names = tuple(frame.name for frame in frames)
    if names:
        count = "1 frame" if len(names) == 1 else f"{len(names)} frames"
        yield DataFinding(level, code, f"{part}: {message.replace('#', count)}", advice, names)
