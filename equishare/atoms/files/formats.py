"""Which format a file of frames has, seen without running anything that is in it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ase.io.formats import UnknownFileTypeError, filetype, get_compression, ioformats, open_with_compression

from equishare.atoms.source import FrameReadError

__all__ = ["CP2K_COMMENT", "checked_format", "reason"]

# Pickles run code when read; the formats named here reach beyond the one file.
_PICKLE_ENDINGS = {".pkl", ".pckl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib"}
_PICKLE_STARTS = (*(b"\x80" + bytes([protocol]) for protocol in range(1, 6)), b"PickleTrajectory")
# the comment of a frame of CP2K's: its step, and its energy in Hartree
CP2K_COMMENT = re.compile(r"^\s*i\s*=\s*(\d+)(?:,\s*time\s*=\s*[-+.\deE]+)?,\s*E\s*=\s*([-+.\dEe]+)")
_ARCHIVE_START = b"PK\x03\x04"
_REFUSED_FORMATS = {"postgresql", "mysql", "bundletrajectory"}
_FRAME_ENDINGS = {".xyz", ".extxyz", ".traj", ".db", ".npz"}


def checked_format(file: str) -> str:
    """The format of a file: a name of ASE's, or 'npz', 'deepmd'.

    Raises:
        FrameReadError: it is absent, empty, a folder without frames, a pickle or nothing that is known.
    """
    if os.path.isdir(file):
        return _checked_folder(file)
    if not os.path.exists(file):
        raise FrameReadError(f"{file}: no such file; expected a file of frames (working folder: {os.getcwd()})")
    root, _ = get_compression(file)
    ending = Path(root).suffix.lower()
    try:
        with open_with_compression(file, "rb") as stream:
            start = stream.read(2000)
    except (OSError, EOFError) as error:
        raise FrameReadError(f"{file}: cannot be opened: {error}") from error
    if not start.strip():
        raise FrameReadError(f"{file}: expected frames, got an empty file; was its writing cut short?")
    if ending == ".npz" and start.startswith(_ARCHIVE_START) and root == file:
        return "npz"
    if ending in _PICKLE_ENDINGS or start.startswith((*_PICKLE_STARTS, _ARCHIVE_START)):
        raise FrameReadError(
            f"{file}: a pickle or an archive, which may run code when it is read, and is therefore refused; "
            "write the frames as extended XYZ with ase.io.write('frames.xyz', frames)"
        )
    if ending == ".npy":
        raise FrameReadError(
            f"{file}: one array does not say what it is; name the folder of a DeePMD system, or a .npz"
        )
    if b"CP2K| version string" in start:
        return "cp2k-output"
    found = _known_format(file)
    if found in {"extxyz", "xyz"}:
        if b"\0" in start:
            raise FrameReadError(f"{file}: expected the text of an extended XYZ file, got binary data")
        comment = b"\n".join(start.splitlines()[1:2]).decode(errors="replace")
        return "cp2k-trajectory" if CP2K_COMMENT.match(comment) else "extxyz"
    return found


def _checked_folder(folder: str) -> str:
    if any(Path(folder).rglob("type.raw")):
        return "deepmd"
    inside = sorted(p.name for p in Path(folder).iterdir() if p.suffix in _FRAME_ENDINGS)
    advice = f"name the files in it, e.g. {os.path.join(folder, inside[0])}" if inside else "name a file"
    raise FrameReadError(f"{folder}: expected a file of frames or a folder of DeePMD's, got a folder; {advice}")


def _known_format(file: str) -> str:
    """ASE's name of the format: by the name of the file, by what is in it, by its ending."""
    try:
        found = filetype(file)
    except (UnknownFileTypeError, OSError):
        found = ""
    if found in _REFUSED_FORMATS:
        raise FrameReadError(f"{file}: frames are read from files only, and ASE takes this name for {found!r}")
    if found not in ioformats or not ioformats[found].can_read:
        raise FrameReadError(
            f"{file}: expected a format that ASE reads (extended XYZ, .traj, .db, vasprun.xml, ...), got "
            "something that ASE does not recognise; write the frames as extended XYZ and name the file .xyz"
        )
    return found


def reason(error: Exception) -> str:
    """What a reader's exception says, as the end of a sentence."""
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is not a chemical symbol or a known key" if error.args else "a key is missing"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
