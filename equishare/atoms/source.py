"""Where frames come from: ``FILE``, ``FILE@i``, ``FILE@a:b:c``, or the name of a bundled data set in place of the file."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from equishare import datasets
from equishare.errors import EquishareError

__all__ = ["FrameReadError", "Source"]


class FrameReadError(EquishareError):
    """A file of frames cannot be read; the message names the file, the place in it and what to do."""


@dataclass(frozen=True)
class Source:
    """A file of frames and the part of it that is meant.

    Attributes:
        text: What was given.
        file: Path of the file; that of the bundled data set where no file has the name.
        selection: The frames that are meant.

    >>> source = Source.of("frames.xyz@-50:")
    >>> source.file, source.selection
    ('frames.xyz', slice(-50, None, None))
    """

    text: str
    file: str
    selection: slice

    @classmethod
    def of(cls, source: str | os.PathLike[str]) -> Source:
        """Take a source apart; an '@' in the name of a file that exists is part of the name.

        Raises:
            FrameReadError: what follows the '@' is neither an index nor a slice.

        >>> Source.of("ethanol@:10").file.endswith("datasets/ethanol.xyz")
        True
        """
        text = os.fspath(source)
        name, at, part = _apart(text)
        file = str(datasets.path(name)) if _is_bundled(name) else name
        return cls(text, file, _selection(text, part) if at else slice(None))

    @staticmethod
    def absolute(source: str) -> str:
        """The same source, found from every folder; names of bundled data sets stay.

        >>> Source.absolute("ethanol@:10")
        'ethanol@:10'
        """
        name, at, part = _apart(source)
        return source if _is_bundled(name) else f"{os.path.abspath(name)}{at}{part}"

    @property
    def stop(self) -> int | None:
        """How many frames from the start are needed; None where that is not known beforehand."""
        selection = self.selection
        ahead = (selection.start or 0) >= 0 and (selection.step or 1) > 0 and (selection.stop or -1) > 0
        return selection.stop if ahead else None

    def indices(self, count: int) -> range:
        """Numbers of the frames that are meant, of a file with so many.

        Raises:
            FrameReadError: none of them is meant.
        """
        indices = range(count)[self.selection]
        if not indices:
            raise FrameReadError(f"{self.text}: the slice selects none of the {count} frames of {self.file}")
        return indices


def _apart(source: str) -> tuple[str, str, str]:
    """File, '@' and what follows it."""
    if "@" not in os.path.basename(source) or os.path.exists(source):
        return source, "", ""
    return source.rpartition("@")


def _is_bundled(name: str) -> bool:
    return not os.path.exists(name) and name in datasets.names()


def _selection(source: str, part: str) -> slice:
    if re.fullmatch(r"[+-]?\d+", part):
        n = int(part)
        return slice(n, n + 1 or None)
    if not re.fullmatch(r"(-?\d*):(-?\d*)(:-?\d*)?", part) or re.search(r"-(?!\d)", part):
        raise FrameReadError(
            f"{source}: expected a slice after '@' such as @:100, @-50: or @::10, or one index; got {part!r}"
        )
    numbers = [int(number) if number else None for number in part.split(":")]
    if len(numbers) == 3 and numbers[2] == 0:
        raise FrameReadError(f"{source}: the step of the slice must not be zero; got {part!r}")
    return slice(*numbers)
