"""Copies of a model at another precision; real and complex numbers alike."""

import copy
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

Model = Callable[..., Any]

COUNTERPART = {
    torch.float64: torch.float32,
    torch.float32: torch.float64,
    torch.float16: torch.float32,
    torch.bfloat16: torch.float32,
}
"""The other precision that a model is compared with."""

_COMPLEX = {torch.float64: torch.complex128, torch.float16: torch.complex32}


def is_number(x: Tensor) -> bool:
    """Whether a tensor holds real or complex numbers, which have a precision, and no integers."""
    return x.is_floating_point() or x.is_complex()


def at_precision(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Cast real numbers to `dtype`, and complex ones to pairs of them.

    Example:
        >>> at_precision(torch.ones(1, dtype=torch.complex64), torch.float64).dtype
        torch.complex128
    """
    return x.to(_COMPLEX.get(dtype, torch.complex64) if x.is_complex() else dtype)


def wide(x: Tensor) -> Tensor:
    """Return any numbers in double precision: what is compared must not be rounded once more."""
    return at_precision(x, torch.float64)


def rms(x: Tensor) -> float:
    """Root mean square of a tensor, of its moduli if it is complex; 0 for an empty one."""
    return float(wide(x).abs().square().mean().sqrt()) if x.numel() else 0.0


def module_of(model: Model) -> nn.Module | None:
    """Return the module behind a callable: itself, or the owner of a bound method."""
    owner = model if isinstance(model, nn.Module) else getattr(model, "__self__", None)
    return owner if isinstance(owner, nn.Module) else None


def private_copy(model: Model, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Model:
    """Copy a model, so that the caller's stays as it is, and cast the copy.

    Callables without a module of their own are returned as they are.

    Raises:
        RuntimeError, TypeError, ...: whatever `copy.deepcopy` raises where the module cannot be copied.
    """
    module = module_of(model)
    if module is None:
        return model
    copied = copy.deepcopy(module)
    copied = copied.to(device=device) if device is not None else copied
    if dtype is not None:
        # Module.to would make complex parameters real
        copied = copied._apply(lambda t: at_precision(t, dtype) if is_number(t) else t)
    return copied if module is model else getattr(copied, model.__name__)


def dtype_of(tensors: Iterable[Tensor], model: Model) -> torch.dtype:
    """The real dtype that a model works in: its parameters' first, else the inputs'."""
    module = module_of(model)
    candidates = [*(module.parameters() if module is not None else ()), *tensors]
    found = next((t.dtype for t in candidates if is_number(t)), torch.get_default_dtype())
    return found.to_real()


def cast(tensors: Iterable[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """Cast the real and complex tensors of a list; integers stay."""
    return [at_precision(t, dtype) if is_number(t) else t for t in tensors]


def isolated_rng() -> AbstractContextManager[None]:
    """Keep the caller's random number generators as they are, whatever the model draws."""
    return torch.random.fork_rng(devices=range(torch.cuda.device_count()))
