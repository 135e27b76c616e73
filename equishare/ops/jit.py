"""How loops over arrays that do not overlap are compiled."""

from collections.abc import Callable

import numba
from numba.core.compiler import Compiler
from numba.core.dispatcher import Dispatcher


class _NoAlias(Compiler):
    """Tells the compiler that no argument overlaps an array that is written to.

    A loop may then write several arrays and still become vector instructions; else each one is guarded by comparisons of
    addresses, and beyond a few it stays scalar.
    """

    def define_pipelines(self) -> list[object]:
        self.state.flags.noalias = True
        return super().define_pipelines()


_OPTIONS = {"fastmath": True, "nogil": True, "error_model": "numpy", "pipeline_class": _NoAlias}


def jit_no_alias(loop: Callable[..., None]) -> Dispatcher:
    """Compile a loop when it is first called, and keep it on disk where there is a folder to write to."""
    try:
        return numba.njit(cache=True, **_OPTIONS)(loop)
    except RuntimeError:  # neither this package's folder nor the user's can be written
        return numba.njit(**_OPTIONS)(loop)


# for helpers: called as functions they cost as much as the short loops in them
inline = numba.njit(fastmath=True, error_model="numpy", inline="always")
