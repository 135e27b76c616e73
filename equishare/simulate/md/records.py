"""Files that grow by whole records."""

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from equishare.simulate.md.settings import MDError


class Records:
    """A text file that grows by whole records, none of them held back: a kill loses no record, and one that does not fit on the disk is taken back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (closed by the ``with`` block of its own)

    def __enter__(self) -> "Records":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def append(self, text: str) -> None:
        """Write a record at the end.

        Raises:
            MDError: if the disk takes no more.
        """
        before, left = self.size(), memoryview(text.encode())
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            self._file.truncate(before)
            raise full(self.path, error) from error

    def size(self) -> int:
        """Bytes written."""
        return os.fstat(self._file.fileno()).st_size


def line_of(values: Iterable[Any]) -> str:
    r"""A line of a table of comma-separated values, with its end.

    >>> line_of([1, "a,b"])
    '1,"a,b"\r\n'
    """
    text = io.StringIO()
    csv.writer(text).writerow(values)
    return text.getvalue()


def full(path: Path, error: OSError) -> MDError:
    """What to say of a file of a run that takes no more."""
    return MDError(
        f"cannot write {path}: {error.strerror}; its frames so far are whole. Make room, then go on: the same command with --restart"
    )
