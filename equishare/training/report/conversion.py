"""What the terminal shows while frames are converted to a store on disk."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.status import Status

_LINE = 100_000
"""Frames between two lines where the output is no terminal."""


class Conversion:
    """Told how many frames are in a store, says so: in one line that changes on a terminal, else line by line."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.status: Status | None = None
        self.begun: set[str] = set()
        self.said = 0

    def __enter__(self) -> Conversion:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take the line away."""
        if self.status is not None:
            self.status.stop()

    def __call__(self, folder: str, frames: int) -> None:
        """So many frames are in the store in a folder."""
        if folder not in self.begun:
            self.begun.add(folder)
            self.said = 0
            self.console.print(
                f"The frames do not fit into memory: converting them once, to {folder}; if that is stopped, the next run goes on with it.",
                soft_wrap=True,
            )
        text = f"{frames:,} frames converted"
        if self.console.file.isatty():
            if self.status is None:
                self.status = self.console.status(text)
                self.status.start()
            self.status.update(text)
        elif frames // _LINE > self.said:
            self.said = frames // _LINE
            self.console.print(text)
