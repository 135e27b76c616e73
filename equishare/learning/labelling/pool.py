"""Labels side by side, each with a time limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import wait
from types import TracebackType

from ase import Atoms

from equishare.errors import EquishareError
from equishare.learning.labelling.outcome import Labelled, Refused
from equishare.learning.labelling.process import LabelProcess, Make

Outcome = Labelled | Refused


class LabellerError(EquishareError):
    """A method that is to label frames cannot be used."""


class LabelPool:
    """Processes that label frames; used as a context, they are gone after it.

    Args:
        make: Makes the calculator, once in each process.
        workers: Processes.
        limit: Seconds that one label may take.

    Raises:
        LabellerError: on labelling, where no calculator can be made.
    """

    def __init__(self, make: Make, workers: int, limit: float) -> None:
        self.make, self.workers, self.limit = make, workers, limit
        self.processes: list[LabelProcess] = []

    def __enter__(self) -> LabelPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Make the calculator now, in one process: a method that cannot be used is found before anything is drawn.

        Raises:
            LabellerError: if the calculator cannot be made.
        """
        first = LabelProcess(self.make, self.limit)
        self.processes.append(first)
        try:
            while not first.ready:
                wait([first.connection], timeout=0.5)
                self._outcome(first)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the processes; they start again where they are needed."""
        for process in self.processes:
            process.kill()
        self.processes.clear()

    def label(
        self, asked: Sequence[tuple[str, Atoms]], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[str, Outcome]]:
        """The outcome of each frame, as they come, with its name; what is under way when ``stopping()`` turns true is given up.

        Raises:
            LabellerError: if the calculator cannot be made.
        """
        waiting = list(reversed(asked))
        for process in [p for p in self.processes if not p.process.is_alive()]:
            self._remove(process)
        while (waiting or any(p.task for p in self.processes)) and not stopping():
            while len(self.processes) < min(self.workers, len(waiting) + sum(bool(p.task) for p in self.processes)):
                self.processes.append(LabelProcess(self.make, self.limit))
            for process in self.processes:
                if process.task is None and waiting:
                    process.hand_over(*waiting.pop())
            yield from self._outcomes()
        if any(p.task for p in self.processes):
            self.close()

    def _outcomes(self) -> Iterator[tuple[str, Outcome]]:
        """Wait a moment, and say what is done."""
        busy = [p for p in self.processes if p.task]
        left = min((p.left for p in busy), default=0.0)
        wait([p.connection for p in busy], timeout=min(max(left, 0.0), 0.5))
        for process in busy:
            outcome = self._outcome(process)
            if outcome is not None and process.task is not None:
                task, process.task = process.task, None
                yield task, outcome

    def _outcome(self, process: LabelProcess) -> Outcome | None:
        late, seconds = process.left < 0, process.clock.seconds
        try:
            if process.connection.poll():
                kind, value = process.connection.recv()
                if kind == "broken":
                    raise LabellerError(f"the labelling method cannot be set up: {value}")
                if kind == "ready":
                    process.started()
                    return None
                return value
        except (EOFError, OSError):
            process.process.join(timeout=5.0)
            died = f"the process died (exit code {process.process.exitcode})"
            self._remove(process)
            if process.ready:
                return Refused(died, seconds)
            raise LabellerError(
                f"the labelling method cannot be set up: {died}; try it on one structure, and in a script learn "
                "below `if __name__ == '__main__':`, for the processes that label import it"
            ) from None
        if not late:
            return None
        self._remove(process)
        if not process.ready:
            raise LabellerError(f"the labelling method was not set up in {seconds:.0f} s; try it on one structure")
        return Refused(f"stopped after {seconds:.0f} s, the time limit of a label", seconds)

    def _remove(self, process: LabelProcess) -> None:
        process.kill()
        self.processes.remove(process)
