"""Which frames are labelled: two files that grow frame by frame, and lose none."""

from __future__ import annotations

import io
import os
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from equishare.atoms.frame import Frame
from equishare.atoms.reading import frames_of
from equishare.learning.folder import LearnFolder
from equishare.learning.labelling.outcome import Labelled, Refused


class Ledger:
    """Labels and failures of a campaign, by the name of the frame that was asked for (``info["ask"]``).

    A frame is appended in one write and reaches the disk before the next one is asked for. What a kill has cut short is removed when
    the ledger is opened again.
    """

    def __init__(self, folder: LearnFolder) -> None:
        self.folder = folder
        for path in (folder.labels, folder.failed, folder.apart):
            repair(path)
        self._labelled = {str(atoms.info["ask"]): atoms for atoms in read_all(folder.labels)}
        self._failed = {str(atoms.info["ask"]): atoms for atoms in read_all(folder.failed)}

    def __len__(self) -> int:
        return len(self._labelled)

    @property
    def failed(self) -> list[Atoms]:
        """Frames without a label, in the order of their names; ``info["reason"]`` says why."""
        return [self._failed[name] for name in sorted(self._failed)]

    @property
    def labelled(self) -> list[Atoms]:
        """Labelled frames, in the order of their names, however they came."""
        return [self._labelled[name] for name in sorted(self._labelled)]

    def knows(self, ask: str) -> bool:
        """Whether this frame has been labelled, or has failed."""
        return ask in self._labelled or ask in self._failed

    def add(self, atoms: Atoms, outcome: Labelled | Refused) -> None:
        """Write what became of a frame."""
        image = bare(atoms)
        image.info["seconds"] = round(outcome.seconds, 3)
        if isinstance(outcome, Refused):
            image.info["reason"] = outcome.reason.replace('"', "'").replace("\\", "/")
            append(self.folder.failed, image)
            self._failed[str(image.info["ask"])] = read_text(as_text(image))
            return
        labels = {"energy": outcome.energy, "forces": outcome.forces, "stress": outcome.stress}
        image.calc = SinglePointCalculator(image, **{k: v for k, v in labels.items() if v is not None})
        append(self.folder.labels, image)
        # what the file says, not what came: a run that goes on later must see the same numbers
        self._labelled[str(image.info["ask"])] = read_text(as_text(image))

    def frames(self, role: str | None = None, before: int | None = None) -> list[Frame]:
        """Labelled frames, all of them or those to ``"train"`` on or to judge (``"valid"``) by; of the rounds before one."""
        chosen = [
            atoms
            for atoms in self.labelled
            if (role is None or atoms.info["role"] == role) and (before is None or atoms.info["round"] < before)
        ]
        return frames_of(chosen) if chosen else []


def bare(atoms: Atoms) -> Atoms:
    """Geometry and ``info``, without arrays and calculator."""
    image = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    image.info = dict(atoms.info)
    return image


def append(path: Path, atoms: Atoms) -> None:
    """Append a frame to an extended XYZ file, in one write that reaches the disk."""
    data = as_text(atoms).encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def as_text(atoms: Atoms) -> str:
    """A frame in extended XYZ."""
    text = io.StringIO()
    ase.io.write(text, atoms, format="extxyz")
    return text.getvalue()


def read_text(text: str) -> Atoms:
    """The frame of a text in extended XYZ."""
    (atoms,) = ase.io.iread(io.StringIO(text), format="extxyz")
    return atoms


def read_all(path: Path) -> list[Atoms]:
    """Frames of a file of ours; none where there is no file, or nothing in it."""
    return list(ase.io.iread(path, index=":", format="extxyz")) if path.exists() and path.stat().st_size else []


def repair(path: Path) -> None:
    """Cut off a last frame that is not whole."""
    if not path.exists():
        return
    data = path.read_bytes()
    lines = data.splitlines(keepends=True)
    kept = line = 0
    while line < len(lines) and lines[line].strip().isdigit():
        end = line + int(lines[line]) + 2
        if end > len(lines) or not lines[end - 1].endswith(b"\n"):
            break
        kept += sum(map(len, lines[line:end]))
        line = end
    if kept < len(data):
        os.truncate(path, kept)


def same_geometry(first: Atoms) -> bytes:
    """Equal for frames that differ by rounding alone."""
    return b"".join(
        np.ascontiguousarray(part).tobytes()
        for part in (first.numbers, np.round(first.positions, 4) + 0.0, np.round(first.cell.array, 4) + 0.0)
    )
