"""The imports of a command, at the least cost."""

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from equishare.memory import keep_freed_memory


@contextmanager
def large_imports() -> Iterator[None]:
    """Import without garbage collection, which walks over torch's modules time and again: a quarter of a start.

    What was imported lives as long as the process, so later collections leave it out too; memory that is freed stays with the
    process as well, see `keep_freed_memory`. Where torch is imported already, or nobody collects, nothing changes.

    >>> with large_imports():
    ...     import json
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
        keep_freed_memory()
        atexit.register(gc.unfreeze)  # libraries that count what they made complain of leaks at the end
    finally:
        gc.enable()
