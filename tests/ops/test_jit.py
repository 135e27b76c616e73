"""How loops are compiled."""

import numpy as np
from numba.core.caching import FunctionCache

from equishare.ops import jit


def _double(out):
    for k in range(out.shape[0]):
        out[k] *= 2


def test_without_a_folder_for_the_cache(monkeypatch):
    """A package and a home that cannot be written: the loop runs, and nothing is kept."""
    monkeypatch.setattr(FunctionCache._impl_class, "_locator_classes", [])
    out = np.ones(3)
    jit.jit_no_alias(_double)(out)
    assert out.tolist() == [2, 2, 2]
