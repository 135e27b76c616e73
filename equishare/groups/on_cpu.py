"""Tables are computed on the CPU, whatever torch's default device is."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")


def on_cpu(function: Callable[P, R]) -> Callable[P, R]:
    """The function with the CPU for its default device: within ``with torch.device("meta")`` a table has no numbers.

    >>> with torch.device("meta"):
    ...     on_cpu(lambda: torch.zeros(1).device)()
    device(type='cpu')
    """

    @wraps(function)
    def run(*args: P.args, **options: P.kwargs) -> R:
        with torch.device("cpu"):
            return function(*args, **options)

    return run
