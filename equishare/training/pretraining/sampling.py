"""Configurations around the frames of a user, drawn and labelled by a cheap method: GFN2-xTB."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import signal
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice

import numpy as np
from ase import Atoms
from ase.calculators.calculator import CalculatorError
from ase.calculators.singlepoint import SinglePointCalculator
from rich.console import Console
from rich.progress import Progress

from equishare.atoms.labels import read_conditions
from equishare.clock import Clock
from equishare.datasets.langevin import Schedule, langevin
from equishare.errors import EquishareError
from equishare.parent import end_with_parent

FRAMES = 25
"""Frames of one trajectory: short, so that hot molecules do not fall apart."""
_SCHEDULE = Schedule(timestep=1.0, equilibration=100, stride=12)
_LARGEST_FORCE = 30.0  # eV/Å: what is torn apart or run into each other teaches nothing


class SamplingError(EquishareError):
    """No configurations can be drawn with the cheap method."""


def sample(
    starts: Sequence[Atoms],
    count: int,
    temperatures: Sequence[float],
    *,
    seed: int = 0,
    seconds: float | None = None,
    workers: int = 1,
    console: Console | None = None,
) -> list[Atoms]:
    """Frames of Langevin dynamics with GFN2-xTB from many starts at several temperatures, with its energies and forces.

    Trajectory k depends on the seed and k alone: without a limit in time the same call gives the same frames.

    Args:
        starts: Structures to start from, in turn of a random order; charge and spin in their ``info`` are those of the dynamics.
        count: Number of frames.
        temperatures: In K, in turn.
        seed: Of the order and the dynamics.
        seconds: Time after which what there is must do; None: no limit.
        workers: Processes.
        console: Where a bar is shown if it is a terminal.

    Raises:
        SamplingError: if tblite is not installed, or too few configurations could be computed.

    From Bannwarth, Ehlert & Grimme, "GFN2-xTB" (2019).
    """
    if importlib.util.find_spec("tblite") is None:
        raise SamplingError(
            "sampling with xTB needs tblite, which is not installed: pip install 'equishare[xtb]', or give a file of "
            "frames labelled by another method"
        )
    clock = Clock()
    order = np.random.default_rng([seed, len(starts)]).permutation(len(starts))
    needed = -(-count // FRAMES)
    tasks = (
        (starts[order[k % len(starts)]], float(temperatures[k % len(temperatures)]), seed, k) for k in range(2 * needed)
    )
    trajectories: dict[int, list[Atoms]] = {}
    console = console or Console(quiet=True)
    with Progress(console=console, transient=True, disable=not console.file.isatty()) as bar, _pool(workers) as pool:
        task = bar.add_task("sampling with GFN2-xTB", total=count)
        pending: dict[Future[list[Atoms]], int] = {}
        while True:
            found = sum(map(len, trajectories.values()))
            late = clock.left(seconds) < 0
            while len(pending) < workers + 1 and found < count and not late:
                following = next(tasks, None)
                if following is None:
                    break
                pending[pool.submit(trajectory, *following)] = following[3]
            if not pending or late:
                break
            done, _ = wait(pending, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in done:
                try:
                    trajectories[pending.pop(future)] = future.result()
                except BrokenProcessPool:
                    raise SamplingError(
                        "a process that draws frames ended at once; a script that draws, pretrains or learns must do so below "
                        "`if __name__ == '__main__':`, for these processes import it. Or it was killed: is there memory enough?"
                    ) from None
            bar.update(task, completed=min(count, sum(map(len, trajectories.values()))))
    frames = [atoms for k in sorted(trajectories) for atoms in trajectories[k]][:count]
    if len(frames) < min(count, FRAMES):
        reason = "in the time it has" if late else "for most of it failed"
        raise SamplingError(
            f"GFN2-xTB gave {len(frames)} of {count} configurations {reason}; pretraining suits molecules and small cells of "
            "main-group elements: leave it out, give it more time, or give a file of frames labelled by another method"
        )
    return frames


def trajectory(start: Atoms, temperature: float, seed: int, number: int) -> list[Atoms]:
    """Labelled frames of one short trajectory; fewer, where the method fails or the structure comes apart."""
    from tblite.ase import TBLite

    rng = np.random.default_rng([seed, number])
    (said,) = read_conditions([start], ["a start"])
    state = {name: said[name] for name in ("charge", "spin") if name in said}
    atoms = Atoms(start.numbers, start.positions, cell=start.cell, pbc=start.pbc)
    atoms.calc = TBLite(method="GFN2-xTB", charge=state.get("charge", 0), multiplicity=state.get("spin"), verbosity=0)
    frames: list[Atoms] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for _ in islice(langevin(atoms, temperature, _SCHEDULE, rng), FRAMES):
                labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
                if not np.abs(labels["forces"]).max() < _LARGEST_FORCE:
                    break
                frame = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
                frame.calc = SinglePointCalculator(frame, **labels)
                frame.info = {"config_type": f"xtb_{temperature:g}K", **state}
                frames.append(frame)
        except (CalculatorError, RuntimeError, ValueError):
            pass  # no convergence, or an element without parameters: other trajectories count
    return frames


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes of one thread each; on an exception they end at once."""
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _one_thread)
    try:
        yield pool
    finally:
        processes = list((getattr(pool, "_processes", None) or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()


def _one_thread() -> None:
    """Ctrl-C is the parent's affair, and the process ends with it; xTB of a small molecule does not get faster by threads."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"
    end_with_parent()
