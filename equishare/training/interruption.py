"""Ctrl-C, SIGTERM, SIGUSR1 and a terminal that goes away: the first ends training in good order, the second ends the process."""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from rich.console import Console

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name))


class Interruption:
    """Listen for signals inside a ``with`` block; the handlers that were there come back after it.

    A signal that is ignored, as ``nohup`` has it, stays ignored. Files are written beside their place and renamed, so that the
    second signal leaves them whole.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether a signal came."""
        return self.signal is not None

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            handlers = {number: signal.getsignal(number) for number in SIGNALS}
            self._before = {number: known for number, known in handlers.items() if known is not signal.SIG_IGN}
            for number in self._before:
                signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            os._exit(128 + number)
        self.signal = number
        if number == getattr(signal, "SIGHUP", None):
            self.console.quiet = True  # the terminal is gone: a write to it would fail
        self.console.print("Stopping after this step: saving and reporting. Once more to quit at once.")
