"""Ctrl-C and SIGTERM: the first ends training in good order, the second ends the process."""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from lightning.pytorch import Callback, Trainer
from rich.console import Console

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption(Callback):
    """Listen for signals inside a ``with`` block; the handlers that were there come back after it.

    Files are written beside their place and renamed, so that the second signal leaves them whole.
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
            self._before = {number: signal.getsignal(number) for number in SIGNALS}
            self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        """Take the signals back from Lightning, which has a handler of its own for SIGTERM."""
        if self._before:
            self._listen()

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Stop after this batch if a signal came."""
        if self.requested:
            trainer.should_stop = True

    def _listen(self) -> None:
        for number in SIGNALS:
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            os._exit(128 + number)
        self.signal = number
        self.console.print("Stopping after this step: saving and reporting. Once more to quit at once.")
