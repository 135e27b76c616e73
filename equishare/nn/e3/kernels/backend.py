"""Which implementation of the hot operations runs: plain torch, or compiled loops that give the same numbers."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

import torch
from torch import Tensor

Backend = Literal["auto", "torch", "numba"]

_chosen: ContextVar[Backend] = ContextVar("equishare_backend", default="auto")


@contextmanager
def backend(name: Backend) -> Iterator[None]:
    """Choose the backend inside a ``with`` block.

    ``"auto"``: compiled loops for float32 and float64 tensors on the CPU, plain torch for everything else (GPU, export,
    tracing). ``"torch"``: plain torch always. ``"numba"``: compiled loops, an error where they cannot run.

    Raises:
        ValueError: for another name.

    >>> with backend("torch"):
    ...     uses_numba(torch.zeros(1))
    False
    """
    if name not in ("auto", "torch", "numba"):
        raise ValueError(f"backend must be 'auto', 'torch' or 'numba', got {name!r}")
    token = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(token)


def uses_numba(example: Tensor) -> bool:
    """Whether the compiled loops run for a tensor like this one."""
    chosen = _chosen.get()
    if chosen == "torch" or torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    possible = example.device.type == "cpu" and example.dtype in (torch.float32, torch.float64)
    if chosen == "numba" and not possible:
        raise ValueError(
            f"the numba backend runs float32 and float64 on the CPU, got {example.dtype} on {example.device}; "
            "choose backend('auto') or backend('torch')"
        )
    return possible
