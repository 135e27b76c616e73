"""Where the code is that a report is about."""

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Source:
    """A line of a file.

    Attributes:
        file: absolute path.
        line: counted from 1.
    """

    file: str
    line: int

    def relative(self) -> str:
        """The path as seen from the working directory, with forward slashes, where it lies below it."""
        try:
            return Path(self.file).relative_to(Path.cwd()).as_posix()
        except ValueError:
            return Path(self.file).as_posix()


def source_of(thing: Any) -> Source | None:
    """Find where a function, or the class of an object (its `forward`, if it has one), is written; None if nowhere.

    Example:
        >>> import torch
        >>> source_of(torch.nn.Linear(1, 1)).file.endswith("linear.py"), source_of(len)
        (True, None)
    """
    written = thing if inspect.isroutine(thing) or inspect.isclass(thing) else type(thing)
    written = getattr(written, "forward", written)
    try:
        file, (_, line) = inspect.getsourcefile(inspect.unwrap(written)), inspect.getsourcelines(written)
    except (TypeError, OSError, ValueError):
        return None
    return None if file is None else Source(str(Path(file).resolve()), max(line, 1))
