"""A process that labels frames one after the other, until it is told to end or its parent is gone."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from ase import Atoms

from equishare.clock import Clock
from equishare.learning.labelling.outcome import Labelled, Refused, compute
from equishare.parent import end_with_parent

Make = Callable[[], Any]
"""Makes an ASE calculator; a function of a module (or `functools.partial` of one), for it is called in another process."""

STARTING = 300.0
"""Seconds that a process may take to start and make its calculator, where the time limit of a label is shorter."""


class LabelProcess:
    """The parent's end: hand over a frame, wait for its outcome, kill what hangs.

    The process leads a group of its own: Ctrl-C does not reach it, and killing the group ends programs that the calculator started.
    It works in a temporary folder.
    """

    def __init__(self, make: Make, limit: float) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.folder = tempfile.mkdtemp(prefix="equishare-label-")
        self.limit = limit
        self.process = context.Process(target=_serve, args=(theirs, make, self.folder, os.getcwd()), daemon=True)
        with _one_thread():
            self.process.start()
        theirs.close()
        self.ready = False
        self.task: str | None = None
        self.allowed = max(limit, STARTING)
        self.clock = Clock()

    def hand_over(self, task: str, atoms: Atoms) -> None:
        """Let it label a frame; the time limit counts from here, or from when the calculator is made."""
        self.task = task
        if self.ready:
            self.clock = Clock()
        with contextlib.suppress(OSError):  # it died: its sentinel says so
            self.connection.send(atoms)

    def started(self) -> None:
        """The calculator is made."""
        self.ready = True
        self.allowed, self.clock = self.limit, Clock()

    @property
    def left(self) -> float:
        """Seconds until it is too late."""
        return self.clock.left(self.allowed)

    def kill(self) -> None:
        """End it, what it started, and its folder."""
        if self.process.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()
        self.connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def _one_thread() -> Any:
    """One thread for each process, where the user has not said otherwise: labels run side by side."""
    absent = "OMP_NUM_THREADS" not in os.environ
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        yield
    finally:
        if absent:
            del os.environ["OMP_NUM_THREADS"]


def _serve(connection: Connection, make: Make, folder: str, home: str) -> None:
    """What the process runs."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(partial(os.killpg, 0, signal.SIGKILL))  # and the programs that a calculator started
    if home not in sys.path:
        sys.path.insert(0, home)
    os.chdir(folder)
    warnings.simplefilter("ignore")
    try:
        calculator = _made(make)
    except Exception as error:
        connection.send(("broken", _said(error)))
        return
    connection.send(("ready", None))
    while True:
        try:
            atoms = connection.recv()
        except EOFError:
            return
        clock = Clock()
        try:
            values = compute(calculator, atoms)
            connection.send(("done", Labelled(*values, clock.seconds)))
        except Exception as error:
            connection.send(("done", Refused(_said(error), clock.seconds)))
            calculator = make()  # nobody knows what state it is in


def _made(make: Make) -> Any:
    calculator = make()
    if not all(callable(getattr(calculator, name, None)) for name in ("get_potential_energy", "get_forces")):
        raise TypeError(f"expected a function that returns an ASE calculator, it returned {type(calculator).__name__}")
    return calculator


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
