"""Folders of runs: the paths in them, and the lock that keeps other processes out."""

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout


class Inside:
    """The path of a name in the folder of an object, which is its ``path``.

    >>> class Folder:
    ...     path = Path("runs/1")
    ...     model = Inside("model.safetensors")
    >>> Folder().model.as_posix()
    'runs/1/model.safetensors'
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, folder: Any, kind: type | None = None) -> Path:
        path: Path = folder.path
        return path / self.name


@contextmanager
def held(lock: Path, refusal: Callable[[str], Exception]) -> Iterator[None]:
    """Keep other processes out of a folder inside a ``with`` block; `refusal` makes the error of who holds it already.

    The lock is the kernel's (`flock`, which network file systems pass on to their server): it ends with its process, however that ends.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, held(Path(folder, "lock"), ValueError):
    ...     with held(Path(folder, "lock"), lambda who: ValueError(who[:7])):
    ...         pass
    Traceback (most recent call last):
    ValueError: process
    """
    found = FileLock(lock, timeout=0)
    try:
        found.acquire()
    except Timeout as error:
        raise refusal(lock.read_text(encoding="utf-8", errors="replace").strip()) from error
    try:
        lock.write_text(f"process {os.getpid()} on {platform.node()}\n", encoding="utf-8")
        yield
    finally:
        found.release()
