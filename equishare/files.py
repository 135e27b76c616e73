"""Files that appear whole or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from equishare.errors import EquishareError

# no space, no quota, file too large, a disk that fails: errors of a write, which names no file
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A file to write beside ``path``: it takes that place when the block ends, and is removed if the block raises.

    Args:
        path: where the file is to be; one that is there stays as it was until the new one is complete.

    Raises:
        OSError: the folder cannot be written, or the disk is full; it names the file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with replacing(f"{folder}/report.txt") as beside:
        ...         _ = beside.write_text("whole")
        ...     print(Path(folder, "report.txt").read_text())
        whole
    """
    beside = _beside(Path(path))
    try:
        yield beside
        os.replace(beside, path)
    except OSError as error:
        if error.errno in _FULL and error.filename is None:
            error.filename = str(path)
        raise
    finally:
        beside.unlink(missing_ok=True)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise, before long work, where `replacing` could not write the file after it.

    Raises:
        OSError: the folder is missing or cannot be written, or the path is a folder itself.

    Example:
        >>> check_writable("missing/report.txt")
        Traceback (most recent call last):
        FileNotFoundError: cannot write missing/report.txt: No such file or directory; name another file
    """
    try:
        if Path(path).is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        beside = _beside(Path(path))
        beside.touch()
        beside.unlink()
    except OSError as error:
        raise type(error)(f"cannot write {path}: {error.strerror}; name another file") from error


@contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A folder for results; it is removed again when the block ends, or raises, without a file in it.

    Raises:
        EquishareError: if there is something in it already.
        OSError: it cannot be made or written.

    Example:
        >>> with new_folder("/dev/null/results") as folder:
        ...     pass
        Traceback (most recent call last):
        NotADirectoryError: cannot write the folder /dev/null/results: Not a directory; name another one
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise EquishareError(f"{folder} holds something already; name another folder by --out, or remove it")
        probe = _beside(folder / "probe")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise type(error)(f"cannot write the folder {folder}: {error.strerror}; name another one") from error
    try:
        yield folder
    finally:
        with suppress(OSError):  # it holds something, as it should
            folder.rmdir()


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def copy_file(source: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Copy a file, whole or not at all."""
    with replacing(path) as beside:
        shutil.copyfile(source, beside)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.part")
