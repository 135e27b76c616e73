"""Which format a file of frames has, seen without running anything that is in it."""

from __future__ import annotations

import os
from pathlib import Path

from ase.io.formats import UnknownFileTypeError, filetype, get_compression, open_with_compression

from equishare.atoms.source import FrameReadError

__all__ = ["checked_format", "reason"]

# Pickles run code when read; the formats named here reach beyond the one file.
_PICKLE_ENDINGS = {".pkl", ".pckl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".npy", ".npz"}
_PICKLE_STARTS = (
    *(b"\x80" + bytes([protocol]) for protocol in range(1, 6)),
    b"PK\x03\x04",
    b"PickleTrajectory",
)
_REFUSED_FORMATS = {"postgresql", "mysql", "bundletrajectory"}


def checked_format(file: str) -> str:
    """The name that ASE has for the format of a file.

    Raises:
        FrameReadError: it is absent, empty, a folder, a pickle or nothing that is known.
    """
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


def reason(error: Exception) -> str:
    """What a reader's exception says, as the end of a sentence."""
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is not a chemical symbol or a known key"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
