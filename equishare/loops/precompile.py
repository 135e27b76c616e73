"""The loops of a training step, compiled by a process of its own while this one still imports its libraries.

    python -m equishare.loops.precompile float32

compiles those that are not in numba's cache, and puts them there. No loop may overtake it: `wait` is called before each.
"""

import subprocess
import sys

_running: list[subprocess.Popen[bytes]] = []


def start(real: str) -> None:
    """Start compiling for float32 or float64; does nothing where loops may have run already.

    >>> start("float16")
    Traceback (most recent call last):
    ...
    ValueError: loops are compiled for float32 and float64, got 'float16'
    """
    if real not in ("float32", "float64"):
        raise ValueError(f"loops are compiled for float32 and float64, got {real!r}")
    if "numba" in sys.modules or _running:
        return
    # what it fails at is of no interest: a loop that it has not compiled will be, when it is first called
    _running.append(
        subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, real],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    )


def wait() -> None:
    """Until nothing is being compiled elsewhere."""
    if _running:
        _running.pop().wait()


def compile_all(real: str) -> None:
    """Compile one loop after the other, in the order in which a step asks for them, by calling each on no atoms at all."""
    import numpy as np

    from equishare.loops import density, edge_functions, product

    one, two, three = (np.zeros((0,) * axes, real) for axes in (1, 2, 3))
    index, rows, exact = np.zeros(0, np.int64), np.zeros((0, 3), np.int64), np.zeros(0)
    none = 0, 0
    edge_functions.forward(*none, two, 1.0, 6, 1.0, rows, exact, two, two, one, one, two, three, two)
    table = index, index, index, index, index, one
    product.forward(*none, three, three, three, index, table, three)
    edges = rows, index, index, index
    factors = three, two, three, two
    density.forward(*none, *factors, *edges, three)
    density.backward(*none, three, *factors, *edges, three, two, two, three)
    product.backward(*none, *[three] * 4, index, table, *[three] * 3)
    product.second(*none, *[three] * 7, index, table, *[three] * 4)
    density.second(*none, three, *factors, *factors, *edges, three, three, two, two, three)


if __name__ == "__main__":
    compile_all(sys.argv[1])
