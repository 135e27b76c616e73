"""The loops of a training step, compiled by other processes while this one still imports its libraries.

    python -m equishare.ops.ahead float32 values seconds

compiles those that are not in numba's cache, and puts them there. That is about as much work as the imports: on two cores one process does
it, on more two, half of it each. No loop may overtake them: `wait` is called before each.

Which loops, and with which types, was recorded from a training step (``signatures.json``, by ``tools/record_signatures.py``).
"""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

from equishare.errors import EquishareError

SIGNATURES = Path(__file__).with_name("signatures.json")
# what forces ask for, in the order in which they do, and what a loss on forces asks for
PARTS = ("values", "seconds")

_running: list[subprocess.Popen[bytes]] = []


def start(real: str) -> None:
    """Start compiling for float32 or float64; does nothing on a single core, and where loops may have run already.

    >>> start("float16")
    Traceback (most recent call last):
    ...
    equishare.errors.EquishareError: loops are compiled for float32 and float64, got 'float16'
    """
    if real not in ("float32", "float64"):
        raise EquishareError(f"loops are compiled for float32 and float64, got {real!r}")
    cores = os.cpu_count() or 1
    if "numba" in sys.modules or _running or cores < 2:
        return
    for parts in (PARTS,) if cores == 2 else ([part] for part in PARTS):
        # what it fails at is of no interest: a loop that it has not compiled will be, when it is first called
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, real, *parts],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _running.append(process)


def wait() -> None:
    """Until nothing is being compiled elsewhere."""
    while _running:
        _running.pop().wait()


def compile_part(part: str, real: str) -> None:
    """Compile the loops of one of `PARTS` for float32 or float64."""
    from importlib import import_module

    from numba.core import sigutils

    for operation, loop, types in json.loads(SIGNATURES.read_text())[part]:
        module = import_module(f"equishare.ops.{operation}.numba")
        arguments, _ = sigutils.normalize_signature(types.replace("real", real))
        getattr(module, loop).compile(arguments)  # of types, as a call has them: the cache would not find a string


if __name__ == "__main__":
    gc.disable()  # a tenth of the time
    for part in sys.argv[2:]:
        compile_part(part, sys.argv[1])
