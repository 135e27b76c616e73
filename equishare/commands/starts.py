"""Structures that commands start from, and one process a structure where there are several."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equishare.errors import EquishareError

if TYPE_CHECKING:
    from ase import Atoms


def read_starts(sources: Sequence[str]) -> "list[tuple[str, Atoms]]":
    """Each structure that is named, with its name: ``FILE`` is the last of its frames, as ASE has it; ``FILE@i`` and ``FILE@a:b`` those.

    Raises:
        FrameReadError: if a file cannot be read.
    """
    from equishare.atoms.reading import read_unlabelled
    from equishare.atoms.source import Source

    found = []
    for source in sources:
        whole = Source.of(source).selection == slice(None) and not source.endswith(":")  # FILE@: means all
        frames = read_unlabelled([source])
        found += [(frame.name, frame.atoms) for frame in (frames[-1:] if whole else frames)]
    return found


def check_model(model: Path) -> None:
    """See that a model file is one before anything else is read: who swaps the arguments is told so.

    Raises:
        ModelFileError: if it is not.
        FileNotFoundError: if there is no such file.
    """
    from equishare.potential import read_header

    read_header(model)


def new_folder(out: Path) -> None:
    """Make the folder of a command's results.

    Raises:
        EquishareError: if there is something in it already.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise EquishareError(f"{out} holds something already; name another folder by --out, or remove it")
    out.mkdir(parents=True, exist_ok=True)


def side_by_side(run: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
    """``run(*arguments)`` for each of the tuples, in their order: one here, several in a process each, as many at a time as there are cores.

    What they print appears as they print it. `run` is a function of a module.
    """
    if len(calls) == 1:
        yield run(*calls[0])
        return
    workers = min(len(calls), os.cpu_count() or 1)
    threads = max((os.cpu_count() or 1) // workers, 1)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _limit, (threads,)) as pool:
        yield from pool.map(run, *zip(*calls, strict=True))


def _limit(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
