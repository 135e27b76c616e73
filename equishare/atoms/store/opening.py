"""Frames of files: into memory where they fit, else by way of a store on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from filelock import FileLock

from equishare.atoms.frame import Frame
from equishare.atoms.reading import read_frames
from equishare.atoms.source import Source
from equishare.atoms.store.stored import FrameStore
from equishare.atoms.store.tables import HEADER, Header, stamp
from equishare.atoms.store.writing import convert

PER_BYTE = 30
"""Bytes of memory, about, that a byte of text takes once it is frames and graphs: 36 kB a frame of 20 atoms, which is a line of 60 each."""
SHARE = 0.5
"""Part of the memory that frames may take."""
_PACKED = {".gz": 4, ".xz": 6, ".bz2": 5}

Tell = Callable[[str, int], None]


def open_frames(
    sources: Sequence[str], keys: Mapping[str, str], copies: int = 1, tell: Tell | None = None
) -> list[Frame]:
    """The frames of files, in their order: in memory where they take less than half of it, else of a store on disk.

    The store is made beside the first file, or in the working folder where that cannot be written, once: the next call finds it. Where a
    file has changed since, it is made again.

    Args:
        sources: As `equishare.atoms.read_frames` takes them.
        keys: Names in the files of properties that are not to be found by themselves.
        copies: How many processes of this machine hold the frames at a time.
        tell: Told the folder of the store and how many frames are in it, while it is made.

    Raises:
        FrameReadError: as `equishare.atoms.read_frames`.
        LabelError: as `equishare.atoms.read_frames`.
        StoreError: if a store that is there is damaged or of another version.
        OSError: if a file cannot be written.
    """
    if not sources or memory_needed(sources) * copies < SHARE * memory_there_is():
        return read_frames(sources, keys)
    return stored(sources, keys, tell).frames()


def stored(sources: Sequence[str], keys: Mapping[str, str], tell: Tell | None = None) -> FrameStore:
    """The store of the frames of files; made where it is not there yet, by one process while the others wait for it."""
    folder = store_folder(sources, keys)
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "store.lock"):
        if not _up_to_date(folder, sources, keys):
            convert(sources, keys, folder, None if tell is None else lambda count: tell(str(folder), count))
    return FrameStore(folder)


def _up_to_date(folder: Path, sources: Sequence[str], keys: Mapping[str, str]) -> bool:
    """Whether a store is complete, and its files are what they were."""
    if not (folder / HEADER).exists():
        return False
    header = Header.read(folder)
    return header.complete and header.has_origin_of(Header.of(sources, keys))


def store_folder(sources: Sequence[str], keys: Mapping[str, str]) -> Path:
    """Where the store of files is: ``NAME-1a2b3c.frames``, named after the first of them and marked by all and by the keys."""
    first = Path(Source.of(sources[0]).file).absolute()
    names = [Source.absolute(source) for source in sources]
    mark = hashlib.sha256(repr((names, sorted(keys.items()))).encode()).hexdigest()[:6]
    parent = first.parent if os.access(first.parent, os.W_OK) else Path.cwd()
    return parent / f"{first.name.partition('.')[0]}-{mark}.frames"


def memory_needed(sources: Sequence[str]) -> float:
    """Bytes, about, that the frames of files take."""
    files = {Source.of(source).file for source in sources}
    return sum(PER_BYTE * _PACKED.get(Path(file).suffix, 1) * stamp(file)[0] for file in files if os.path.exists(file))


def memory_there_is() -> float:
    """Bytes of this machine, or of what the job may have of it."""
    limits = [float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))] if hasattr(os, "sysconf") else []
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(path).read_text(encoding="ascii").strip()
        except OSError:
            continue
        limits += [float(text)] if text.isdigit() else []
    return min(limits, default=float("inf"))
