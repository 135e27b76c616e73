"""How loops over arrays that do not overlap are compiled."""

import numba
from numba.core.compiler import Compiler


class _NoAlias(Compiler):
    """Tells the compiler that no argument overlaps an array that is written to.

    A loop may then write several arrays and still become vector instructions; else each one is guarded by comparisons of
    addresses, and beyond a few it stays scalar.
    """

    def define_pipelines(self) -> list:
        self.state.flags.noalias = True
        return super().define_pipelines()


jit_no_alias = numba.njit(cache=True, fastmath=True, nogil=True, error_model="numpy", pipeline_class=_NoAlias)
# for helpers: called as functions they cost as much as the short loops in them
inline = numba.njit(fastmath=True, error_model="numpy", inline="always")
