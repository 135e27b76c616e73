"""The loops of a training step, compiled by other processes while this one still imports its libraries.

    python -m equishare.loops.precompile float32 values seconds

compiles those that are not in numba's cache, and puts them there. That is about as much work as the imports: on two cores one process does
it, on more two, half of it each. No loop may overtake them: `wait` is called before each.
"""

import gc
import os
import subprocess
import sys
from typing import Any

_running: list[subprocess.Popen[bytes]] = []


def start(real: str) -> None:
    """Start compiling for float32 or float64; does nothing on a single core, and where loops may have run already.

    >>> start("float16")
    Traceback (most recent call last):
    ...
    ValueError: loops are compiled for float32 and float64, got 'float16'
    """
    if real not in ("float32", "float64"):
        raise ValueError(f"loops are compiled for float32 and float64, got {real!r}")
    cores = os.cpu_count() or 1
    if "numba" in sys.modules or _running or cores < 2:
        return
    for parts in ([*_PARTS],) if cores == 2 else ([part] for part in _PARTS):
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


def compile_values(real: str) -> None:
    """What forces ask for, in the order in which they do, by calling each loop on no atoms at all."""
    from equishare.loops import density, edge_functions, product

    one, two, three, index, edges, table = _empty(real)
    (exact,) = _empty("float64")[:1]
    edge_functions.forward(0, 0, two, 1.0, 6, 1.0, edges[0], exact, two, two, one, one, two, three, two)
    product.forward(0, 0, three, three, three, index, table, three)
    density.forward(0, 0, three, two, three, two, *edges, three)
    density.backward(0, 0, three, three, two, three, two, *edges, three, two, two, three)
    product.backward(0, 0, *[three] * 4, index, table, *[three] * 3)


def compile_seconds(real: str) -> None:
    """What a loss on forces asks for."""
    from equishare.loops import density, product

    _, two, three, index, edges, table = _empty(real)
    product.second(0, 0, *[three] * 7, index, table, *[three] * 4)
    density.second(0, 0, three, *(three, two, three, two) * 2, *edges, three, three, two, two, three)


def _empty(real: str) -> tuple[Any, ...]:
    """Arrays of one to three axes, indices, (sweeps, sender, edges and starts of receivers), and a table of couplings."""
    import numpy as np

    one, two, three = (np.zeros((0,) * axes, real) for axes in (1, 2, 3))
    index, rows = np.zeros(0, np.int64), np.zeros((0, 3), np.int64)
    return one, two, three, index, (rows, index, index, index), (*[index] * 5, one)


_PARTS = {"values": compile_values, "seconds": compile_seconds}

if __name__ == "__main__":
    gc.disable()  # a tenth of the time
    for part in sys.argv[2:]:
        _PARTS[part](sys.argv[1])
