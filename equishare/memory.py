"""Freed memory that stays with the process, so that the next training step need not fault its pages in again."""

_LARGEST = 2**25 - 2**16  # just under the 32 MiB up to which glibc adapts


def keep_freed_memory() -> None:
    """Let the C library keep up to 64 MiB of freed memory, by freeing one block of 32 MiB that is never touched.

    glibc returns a large block to the system when it is freed, unless a larger one was freed before: then it
    keeps the block for reuse, and its heap up to twice that size. Until then every temporary of some megabytes
    costs a page fault for each 4 KiB, which takes a third of a separable convolution's training step. It changes the whole
    process, so no layer calls it: the program that trains does, once. Elsewhere than on glibc, and where ``MALLOC_``
    variables are set, nothing changes.

    >>> keep_freed_memory()
    """
    import numpy as np  # a command that prints its help needs none

    np.empty(_LARGEST, dtype=np.uint8)
