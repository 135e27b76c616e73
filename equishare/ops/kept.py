"""Constants of operations, made once for each type and device."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

import torch

from equishare.ops.backend import transformed

P = ParamSpec("P")
T = TypeVar("T")


def kept(make: Callable[P, T]) -> Callable[P, T]:
    """As `functools.lru_cache`, for a function that makes tensors of what is no tensor.

    What a compiler or ``torch.func`` traces is not a tensor to keep: there it is made anew. What is kept is not one of inference mode, which no
    derivative may go through.

    >>> ones = kept(lambda n: torch.ones(n))
    >>> ones(3) is ones(3)
    True
    """
    once = lru_cache(maxsize=128)(torch.inference_mode(False)(make))

    @wraps(make)
    def kept_or_made(*given: P.args, **named: P.kwargs) -> T:
        if torch.compiler.is_compiling() or transformed():
            return make(*given, **named)
        return once(*given, **named)  # type: ignore[arg-type]  # hashable, as any cache wants them

    return kept_or_made
