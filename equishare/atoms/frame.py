"""Labelled frames from any file that ASE reads, in eV, Å, eV/Å, eV/Å^3 (ASE's sign) and e·Å."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import iread
from ase.io.formats import UnknownFileTypeError, filetype, get_compression, open_with_compression
from jaxtyping import Float

from equishare.atoms.labels import LabelKeys, read_labels
from equishare.errors import EquishareError

__all__ = ["Frame", "FrameReadError", "LabelKeys", "read_frames", "split_isolated"]

Source = str | os.PathLike[str]

# Pickles run code when read; the formats named here reach beyond the one file.
_PICKLE_ENDINGS = {".pkl", ".pckl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".npy", ".npz"}
_PICKLE_STARTS = (
    *(b"\x80" + bytes([protocol]) for protocol in range(1, 6)),
    b"PK\x03\x04",
    b"PickleTrajectory",
)
_REFUSED_FORMATS = {"postgresql", "mysql", "bundletrajectory"}


class FrameReadError(EquishareError):
    """A file of frames cannot be read; the message names the file, the place in it and what to do."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One geometry with the labels that its file gives.

    Units: Å, eV, eV/Å, eV/Å^3 (positive stress: the cell wants to shrink, as in ASE), e·Å.

    >>> frame = Frame(Atoms("H"), energy=-13.6, file="atoms.xyz", index=17)
    >>> frame.name
    'atoms.xyz@17'
    """

    atoms: Atoms
    energy: float | None = None
    forces: Float[np.ndarray, "atoms 3"] | None = None
    stress: Float[np.ndarray, "3 3"] | None = None
    dipole: Float[np.ndarray, " 3"] | None = None
    file: str = ""
    index: int = 0

    @property
    def name(self) -> str:
        """File and index, as ASE would read it: 'file.xyz@17'."""
        return f"{os.path.basename(self.file)}@{self.index}"

    @property
    def is_isolated_atom(self) -> bool:
        """One atom, without periodic images or called isolated by `config_type`."""
        if len(self.atoms) != 1:
            return False
        config_type = str(self.atoms.info.get("config_type", "")).lower()
        return config_type.startswith("isolated") or not self.atoms.pbc.any()


def split_isolated(frames: Iterable[Frame]) -> tuple[list[Frame], list[Frame]]:
    """The isolated atoms among `frames`, and the rest, each in order."""
    isolated: list[Frame] = []
    rest: list[Frame] = []
    for frame in frames:
        (isolated if frame.is_isolated_atom else rest).append(frame)
    return isolated, rest


def read_frames(sources: Source | Sequence[Source], keys: LabelKeys | None = None) -> list[Frame]:
    """All frames of one file or several; ``file.xyz@:100`` takes a slice, ``file.xyz@-1`` one frame.

    Labels are found by `equishare.atoms.labels`, the same keys for all the files.

    Args:
        sources: paths, each with an optional ``@slice``; any format that ASE reads, compressed or not.
        keys: names of the labels where they are not to be found by themselves.

    Raises:
        FrameReadError: a file is absent, empty, cut short, garbled, of no known format or a pickle; a slice
            is none or selects nothing. Nothing is ever unpickled.
        LabelError: a key that was given is in no frame, several differ, or a label has the wrong shape.

    >>> from equishare.datasets import path
    >>> frames = read_frames(f"{path('ethanol')}@3:5")
    >>> [frame.name for frame in frames], frames[0].forces.shape
    (['ethanol.xyz@3', 'ethanol.xyz@4'], (9, 3))
    """
    if isinstance(sources, (str, os.PathLike)):
        sources = [sources]
    if not sources:
        raise FrameReadError("expected at least one file of frames, got none; name a file, e.g. frames.xyz")
    read = [item for source in sources for item in _read_source(os.fspath(source))]
    labels = read_labels([atoms for _, _, atoms in read], [f"{f}@{i}" for f, i, _ in read], keys or LabelKeys())
    frames = []
    for (file, index, atoms), label in zip(read, labels, strict=True):
        atoms.calc = None
        frames.append(Frame(atoms, file=file, index=index, **label))
    return frames


def read_structures(source: Source) -> list[Atoms]:
    """The structures of one source, as `read_frames` reads them, without a look at their labels.

    Raises:
        FrameReadError: as `read_frames`.
    """
    return [frame.atoms for frame in read_unlabelled([source])]


def read_unlabelled(sources: Sequence[Source]) -> list[Frame]:
    """The frames of sources, as `read_frames` reads them, without a look at their labels.

    Raises:
        FrameReadError: as `read_frames`.
    """
    return [
        Frame(atoms, file=file, index=index)
        for source in sources
        for file, index, atoms in _read_source(os.fspath(source))
    ]


def _read_source(source: str) -> Iterator[tuple[str, int, Atoms]]:
    file, selection = _parse(source)
    file_format = _checked_format(file)
    # a slice that counts from the start needs no frame beyond its stop
    ahead = (selection.start or 0) >= 0 and (selection.step or 1) > 0 and (selection.stop or -1) > 0
    stop = selection.stop if ahead else None
    if file_format == "extxyz":
        _check_extxyz(file, stop)
    images: list[Atoms] = []
    try:
        for atoms in iread(file, index=slice(0, stop), format=file_format, do_not_split_by_at_sign=True):
            images.append(atoms)
    except Exception as error:  # ASE's readers raise whatever their parsing meets
        before = f", or read the frames before it with {file}@:{len(images)}" if images else ""
        raise FrameReadError(
            f"{file}: frame {len(images)} cannot be read as {file_format}: {_reason(error)}; mend or remove it{before}"
        ) from error
    if not images:
        raise FrameReadError(f"{file}: expected frames in the format {file_format}, found none")
    indices = range(len(images))[selection]
    if not indices:
        raise FrameReadError(f"{source}: the slice selects none of the {len(images)} frames of {file}")
    yield from ((file, index, images[index]) for index in indices)


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is not a chemical symbol or a known key"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _parse(source: str) -> tuple[str, slice]:
    folder, base = os.path.split(source)
    if "@" not in base or os.path.exists(source):
        return source, slice(None)
    base, text = base.rsplit("@", 1)
    file = os.path.join(folder, base)
    if re.fullmatch(r"[+-]?\d+", text):
        n = int(text)
        return file, slice(n, n + 1 or None)
    if not re.fullmatch(r"(-?\d*):(-?\d*)(:-?\d*)?", text) or re.search(r"-(?!\d)", text):
        raise FrameReadError(
            f"{source}: expected a slice after '@' such as @:100, @-50: or @::10, or one index; got {text!r}"
        )
    parts = [int(part) if part else None for part in text.split(":")]
    if len(parts) == 3 and parts[2] == 0:
        raise FrameReadError(f"{source}: the step of the slice must not be zero; got {text!r}")
    return file, slice(*parts)


def _checked_format(file: str) -> str:
    if os.path.isdir(file):
        inside = sorted(p.name for p in Path(file).iterdir() if p.suffix in {".xyz", ".extxyz", ".traj", ".db"})
        advice = f"name the files in it, e.g. {os.path.join(file, inside[0])}" if inside else "name a file"
        raise FrameReadError(f"{file}: expected a file of frames, got a folder; {advice}")
    if not os.path.exists(file):
        raise FrameReadError(f"{file}: no such file; expected a file of frames (working folder: {os.getcwd()})")
    root, _ = get_compression(file)
    try:
        with open_with_compression(file, "rb") as stream:
            start = stream.read(2000)
    except (OSError, EOFError) as error:
        raise FrameReadError(f"{file}: cannot be opened: {error}") from error
    if not start.strip():
        raise FrameReadError(f"{file}: expected frames, got an empty file; was its writing cut short?")
    if Path(root).suffix.lower() in _PICKLE_ENDINGS or start.startswith(_PICKLE_STARTS):
        raise FrameReadError(
            f"{file}: a pickle or an archive, which may run code when it is read, and is therefore refused; "
            "write the frames as extended XYZ with ase.io.write('frames.xyz', frames)"
        )
    try:
        found = filetype(file, guess=False)
    except (UnknownFileTypeError, OSError) as error:
        raise FrameReadError(
            f"{file}: expected a format that ASE reads (extended XYZ, .traj, .db, vasprun.xml, ...), got "
            "something that ASE does not recognise; write the frames as extended XYZ and name the file .xyz"
        ) from error
    if found in _REFUSED_FORMATS:
        raise FrameReadError(f"{file}: frames are read from files only, and ASE takes this name for {found!r}")
    if found in {"extxyz", "xyz"}:
        if b"\0" in start:
            raise FrameReadError(f"{file}: expected the text of an extended XYZ file, got binary data")
        return "extxyz"
    return found


def _check_extxyz(file: str, stop: int | None) -> None:
    """Walk the frames of an extended XYZ file, so that a break is named by frame and line.

    ASE stops in silence at a blank line and would lose what follows.
    """
    number = frame = 0
    blank = None
    try:
        with open_with_compression(file, "rt") as stream:
            for line in stream:
                number += 1
                if frame == stop:
                    return
                if not line.strip():
                    blank = blank or number
                    continue
                if line.startswith("VEC"):
                    continue
                if blank:
                    raise FrameReadError(
                        f"{file}: line {blank} is blank, between frames {frame - 1} and {frame}; remove it"
                    )
                try:
                    atoms = int(line)
                except ValueError:
                    raise FrameReadError(
                        f"{file}: line {number} should open frame {frame} with its number of atoms, but "
                        f"reads {line.strip()[:40]!r}; is the frame before it complete?"
                    ) from None
                if atoms < 1:
                    raise FrameReadError(
                        f"{file}: frame {frame} (line {number}) says {atoms} atoms; expected 1 or more"
                    )
                opened = number
                for count in range(atoms + 1):
                    line = stream.readline()
                    number += 1
                    if not line or (count and not line.strip()):
                        raise FrameReadError(
                            f"{file}: frame {frame} (line {opened}) says {atoms} atoms, but ends after "
                            f"{max(count - 1, 0)}; the file is cut short: remove that frame "
                            f"or read {file}@:{frame}"
                        )
                frame += 1
    except (UnicodeDecodeError, EOFError, OSError) as error:
        raise FrameReadError(f"{file}: expected the text of an extended XYZ file: {_reason(error)}") from error
