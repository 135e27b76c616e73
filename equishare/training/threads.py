"""The number of threads that suits the work: more than it can use make it slower."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

_allowed: ContextVar[int | None] = ContextVar("allowed", default=None)
"""Threads there were before the outermost block."""

ATOMS_A_THREAD = 48
"""Atoms of a batch that keep a thread busy: on two cores, two threads are faster than one from 96 atoms on (docs/guides/train.md)."""


@contextmanager
def threads_for(atoms: float) -> Iterator[int]:
    """As many of torch's threads as a batch of so many atoms keeps busy, at most those there are; all come back after the block.

    A block inside another may use more than the outer one. How many there are is torch's affair (``OMP_NUM_THREADS``, `torch.set_num_threads`).

    >>> before = torch.get_num_threads()
    >>> with threads_for(atoms=9) as number:
    ...     number, torch.get_num_threads()
    (1, 1)
    >>> torch.get_num_threads() == before
    True
    """
    before = torch.get_num_threads()
    allowed = _allowed.get() or before
    chosen = max(1, min(allowed, int(atoms // ATOMS_A_THREAD)))
    token = _allowed.set(allowed)
    _set(chosen)
    try:
        yield chosen
    finally:
        _allowed.reset(token)
        _set(before)


def _set(number: int) -> None:
    if number != torch.get_num_threads():
        torch.set_num_threads(number)
