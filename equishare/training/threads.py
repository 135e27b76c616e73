"""The number of threads that suits the work: more than it can use make it slower."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

ATOMS_A_THREAD = 48
"""Atoms of a batch that keep a thread busy: on two cores, two threads are faster than one from 96 atoms on (docs/train.md)."""


@contextmanager
def threads_for(atoms: float) -> Iterator[int]:
    """As many of torch's threads as a batch of so many atoms keeps busy, at most those there are; all come back after the block.

    How many there are is torch's affair (``OMP_NUM_THREADS``, `torch.set_num_threads`).

    >>> before = torch.get_num_threads()
    >>> with threads_for(atoms=9) as number:
    ...     number, torch.get_num_threads()
    (1, 1)
    >>> torch.get_num_threads() == before
    True
    """
    allowed = torch.get_num_threads()
    chosen = max(1, min(allowed, int(atoms // ATOMS_A_THREAD)))
    if chosen != allowed:
        torch.set_num_threads(chosen)
    try:
        yield chosen
    finally:
        if chosen != allowed:
            torch.set_num_threads(allowed)
