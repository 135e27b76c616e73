"""Structures that commands start from, and one process a structure where there are several."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equishare.errors import EquishareError
from equishare.parent import end_with_parent
from equishare.terminal import outlive_reader

if TYPE_CHECKING:
    from ase import Atoms

    from equishare.potential.model_file import Header


def read_starts(model: Path, sources: Sequence[str], method: str | None = None) -> "list[tuple[str, Atoms]]":
    """Each structure that is named, with its name: ``FILE`` is the last of its frames, as ASE has it; ``FILE@i`` and ``FILE@a:b`` those.

    They are to be predicted on the level of `method`, if one is given, whatever the files say. What the model cannot predict is said, by the
    name of the structure, before anything is run.

    Raises:
        ModelFileError, ConditionError, FileNotFoundError: as `check_model`.
        FrameReadError: if a file cannot be read.
        GraphError: if a structure has no graph, or two of its atoms are in one place.
        UnknownSpeciesError: if there is an element that the model does not know.
    """
    from equishare.atoms.reading import read_unlabelled
    from equishare.atoms.source import Source
    from equishare.potential.given import by_method

    header = check_model(model, method)
    found = []
    for source in sources:
        whole = Source.of(source).selection == slice(None) and not source.endswith(":")  # FILE@: means all
        frames = read_unlabelled([source])
        found += [(frame.name, frame.atoms) for frame in (frames[-1:] if whole else frames)]
    for name, atoms in found:
        _check_start(name, atoms, header)
    return found if method is None else [(name, by_method(atoms, method)) for name, atoms in found]


def _check_start(name: str, atoms: "Atoms", header: "Header") -> None:
    from equishare.atoms.neighbours import check_apart, neighbour_list
    from equishare.potential import UnknownSpeciesError

    try:
        check_apart(atoms, neighbour_list(atoms, header.config.cutoff))
        if unknown := sorted(set(atoms.symbols) - set(header.statistics.species)):
            raise UnknownSpeciesError.of(header.statistics.species, unknown)
    except EquishareError as error:
        raise type(error)(f"{name}: {error}") from error


def check_model(model: Path, method: str | None = None) -> "Header":
    """The header of a model file: see that a model file is one before anything else is read: who swaps the arguments is told so; and that it knows the method, if one is given.

    Raises:
        ModelFileError: if it is not.
        ConditionError: if it was not trained on the method.
        FileNotFoundError: if there is no such file.
    """
    from equishare.potential import read_header
    from equishare.potential.given import check_method

    header = read_header(model)
    if method is not None:
        check_method(method, header.config)
    return header


def side_by_side(run: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
    """``run(*arguments)`` for each of the tuples, in their order: one here, several in a process each, as many at a time as there are cores.

    What they print appears as they print it. `run` is a function of a module. An interrupt here or there ends them all: each `run` that is under
    way sees a KeyboardInterrupt, the others do not start.

    Raises:
        EquishareError: if a process ends by itself.
    """
    if len(calls) == 1:
        yield run(*calls[0])
        return
    workers = min(len(calls), os.cpu_count() or 1)
    threads = max((os.cpu_count() or 1) // workers, 1)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin, (threads,)) as pool:
        try:
            with _uninterrupted():
                results = pool.map(partial(_call, run), calls)
            yield from results
        except BrokenProcessPool as error:
            raise EquishareError(
                "one of the processes was ended from outside, perhaps because memory ran out; start fewer structures at a time"
            ) from error
        except KeyboardInterrupt:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Start processes that do not see Ctrl-C, whose traceback they would print, before `_begin` says what to do."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Work:
    """What a process of `side_by_side` is doing."""

    running = False
    stopped = False


def _begin(threads: int) -> None:
    import torch

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    outlive_reader()
    end_with_parent()
    torch.set_num_threads(threads)


def _stop(*_: object) -> None:
    _Work.stopped = True
    if _Work.running:
        raise KeyboardInterrupt


def _call(run: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    if _Work.stopped:
        raise KeyboardInterrupt
    _Work.running = True
    try:
        return run(*arguments)
    finally:
        _Work.running = False
