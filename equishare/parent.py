"""Processes that end when the one that started them does."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable


def _exit() -> None:
    os._exit(1)


def end_with_parent(end: Callable[[], object] = _exit) -> None:
    """Let this process of `multiprocessing` end when the one that started it does, even if that is killed: a pool would wait for work for ever.

    Args:
        end: What to do then, called in a thread.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        # a signal that this thread takes would not wake the first one from its sleep
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        parent.join()
        end()

    threading.Thread(target=wait, daemon=True).start()
