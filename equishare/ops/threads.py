"""How compiled loops are called: on arrays, over ranges of atoms, by as many threads as torch uses."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from equishare.ops import ahead

# Multiply-adds that pay for handing a range to another thread (about 50 microseconds of one core).
WORTH_A_THREAD = 500_000


def as_array(tensor: Tensor) -> np.ndarray:
    """The numbers of a tensor as a contiguous array; of a contiguous one without a copy."""
    # small structures feel every call: a detach that changes nothing is left out
    return (tensor.detach() if tensor.requires_grad else tensor).contiguous().numpy()


def atom_ranges(n_atoms: int, work: int, starts: np.ndarray | None = None) -> list[tuple[int, int]]:
    """Divide atoms into ranges of equal work, one a thread; one range alone where the work is small.

    Args:
        n_atoms: Number of atoms.
        work: Multiply-adds in all, about.
        starts: Where each atom's edges start (``n_atoms + 1`` numbers): work goes with them; None: with atoms.

    >>> atom_ranges(10, work=0)
    [(0, 10)]
    """
    parts = max(1, min(torch.get_num_threads(), n_atoms, work // WORTH_A_THREAD))
    if parts == 1:
        return [(0, n_atoms)]
    if starts is None:
        bounds = np.arange(parts + 1) * n_atoms // parts
    else:
        bounds = np.searchsorted(starts, np.arange(parts + 1) * starts[-1] / parts)
        bounds[0], bounds[-1] = 0, n_atoms
    return [(int(a), int(b)) for a, b in pairwise(bounds)]


def run_ranges(
    loop: Callable[..., None], ranges: Sequence[tuple[int, int]], *arguments: Any, own: Sequence[Tensor] = ()
) -> None:
    """Call ``loop(start, stop, *arguments)`` for every range, each in a thread; loops release the GIL.

    Args:
        loop: Compiled loop.
        ranges: Of atoms.
        arguments: Given to every call.
        own: Buffers with one part a range along the first axis: each call gets its own, see `total`.
    """
    run_parts(loop, [(*bounds, *arguments, *(buffer[k].numpy() for buffer in own)) for k, bounds in enumerate(ranges)])


def run_parts(run: Callable[..., None], calls: Sequence[tuple[Any, ...]]) -> None:
    """Call ``run(*arguments)`` for each of the tuples of arguments, each in a thread of its own.

    >>> run_parts(print, [(1, 2)])
    1 2
    """
    ahead.wait()
    others = [_pool(len(calls) - 1, os.getpid()).submit(run, *call) for call in calls[1:]]
    run(*calls[0])
    for other in others:
        other.result()


def total(own: Tensor) -> Tensor:
    """Sum of the ranges' parts of a buffer, in their order: which thread was first does not matter.

    >>> total(torch.ones(3, 2))
    tensor([3., 3.])
    """
    return own[0] if len(own) == 1 else own.sum(0)


@cache
def _pool(size: int, process: int) -> ThreadPoolExecutor:
    """Threads that wait, idle, for ranges; a forked process needs its own."""
    return ThreadPoolExecutor(size, thread_name_prefix="equishare")
