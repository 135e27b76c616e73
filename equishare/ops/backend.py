"""Which implementation of the hot operations runs: plain torch, or kernels that give the same numbers."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.autograd import forward_ad

from equishare.errors import EquishareError

Implementation = Literal["torch", "numba", "triton"]
Backend = Literal["auto", "torch", "numba", "triton"]

_chosen: ContextVar[Backend] = ContextVar("equishare_backend", default="auto")


@contextmanager
def backend(name: Backend) -> Iterator[None]:
    """Choose the backend inside a ``with`` block.

    ``"auto"``: compiled loops for float32 and float64 tensors on the CPU, plain torch for everything else (GPU, export,
    tracing, ``torch.func``). ``"torch"``: plain torch always. ``"numba"``: compiled loops, an error where they cannot run. ``"triton"``: on a
    GPU Triton kernels for the edge sum and the product, which then make no array of edges, or of coupling coefficients, times channels;
    an error where they cannot run.

    Raises:
        EquishareError: for another name.

    >>> with backend("torch"):
    ...     uses_numba(torch.zeros(1))
    False
    """
    if name not in get_args(Backend):
        raise EquishareError(f"backend must be one of {', '.join(map(repr, get_args(Backend)))}, got {name!r}")
    token = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(token)


def implementation(example: Tensor) -> Implementation:
    """Which implementation runs for a tensor like this one.

    Raises:
        EquishareError: where the backend that was chosen cannot run.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or transformed():
        return "torch"
    chosen = _chosen.get()
    if chosen == "torch":
        return "torch"
    real = example.dtype in (torch.float32, torch.float64)
    if chosen == "triton":
        if not (real and _triton_runs(example.device)):
            raise EquishareError(
                f"the triton backend runs float32 and float64 on a GPU, with the package triton, got {example.dtype} on "
                f"{example.device}; choose backend('auto') or backend('torch')"
            )
        return "triton"
    possible = real and example.device.type == "cpu"
    if chosen == "numba" and not possible:
        raise EquishareError(
            f"the numba backend runs float32 and float64 on the CPU, got {example.dtype} on {example.device}; "
            "choose backend('auto') or backend('torch')"
        )
    return "numba" if possible else "torch"


def transformed() -> bool:
    """Whether ``torch.func`` or forward-mode differentiation is at work, which see through plain operations alone."""
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def uses_numba(example: Tensor) -> bool:
    """Whether the compiled loops run for a tensor like this one, in an operation that has no other kernels."""
    return implementation(example) == "numba"


def _triton_runs(device: torch.device) -> bool:
    """On a GPU; on the CPU in Triton's interpreter, which is for tests."""
    interpreted = device.type == "cpu" and os.environ.get("TRITON_INTERPRET") == "1"
    return (device.type == "cuda" or interpreted) and find_spec("triton") is not None
