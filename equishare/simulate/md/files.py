"""The folder of a run: trajectory and table, which grow state by state, and the checkpoint."""

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.trajectory import Trajectory

from equishare.files import check_writable, replacing
from equishare.simulate.md.records import Records, full, line_of
from equishare.simulate.md.rows import MDRow, columns
from equishare.simulate.md.settings import MDError, MDSettings

CHECKPOINT = "restart.npz"


@dataclass(frozen=True)
class Checkpoint:
    """A run between two steps: all that the next one depends on, to the bit.

    Attributes:
        numbers, positions, momenta, cell: Of the atoms.
        step: Steps done.
        energy: Potential energy in eV.
        settings: Those of the run, by name.
        integrator: Its state.
        written: How much of each file was written at that time: bytes, of ``.traj`` frames.
        degrees: Degrees of freedom that hold kinetic energy: what a bent molecule has of them does not say how it began. None in files of
            before.
    """

    numbers: np.ndarray
    positions: np.ndarray
    momenta: np.ndarray
    cell: np.ndarray
    step: int
    energy: float
    settings: dict[str, Any]
    integrator: dict[str, Any]
    written: dict[str, int]
    degrees: int | None = None

    def save(self, folder: Path) -> None:
        """Write it beside the one that is there, then put it in its place."""
        arrays = {name: getattr(self, name) for name in ("numbers", "positions", "momenta", "cell")}
        rest = {
            name: getattr(self, name) for name in ("step", "energy", "settings", "integrator", "written", "degrees")
        }
        with replacing(folder / CHECKPOINT) as beside, open(beside, "wb") as file:
            np.savez(file, rest=np.frombuffer(json.dumps(rest).encode(), np.uint8), **arrays)

    @classmethod
    def load(cls, folder: Path) -> "Checkpoint":
        """Read it.

        Raises:
            MDError: if there is none, or it is damaged.
        """
        path = folder / CHECKPOINT
        if not path.exists():
            raise MDError(f"there is no {path} to go on from; leave out --restart to start a run")
        try:
            with np.load(path, allow_pickle=False) as stored:
                rest = json.loads(stored["rest"].tobytes())
                return cls(**{name: stored[name] for name in ("numbers", "positions", "momenta", "cell")}, **rest)
        except (ValueError, KeyError, OSError, TypeError) as error:
            raise MDError(f"{path} is damaged: {error}; start the run again in another folder") from error

    def put_into(self, atoms: Atoms) -> None:
        """Move atoms to where the run is."""
        atoms.set_cell(self.cell)
        atoms.arrays["positions"][:] = self.positions  # as they are: constraints have had their say
        atoms.set_array("momenta", self.momenta, float, (3,))


class Writer:
    """Appends states to trajectory and table: a kill loses no state that was written."""

    def __init__(self, folder: Path, settings: MDSettings, trajectory: Any, table: Records) -> None:
        self.folder, self.settings, self.trajectory, self.table = folder, settings, trajectory, table

    def __call__(self, atoms: Atoms, row: MDRow) -> None:
        """Write one state."""
        frame = atoms.copy()
        frame.info.update(step=row.step, time_fs=row.time)
        found = atoms.calc.results
        if "energy_uncertainty" in found:
            frame.info["energy_uncertainty"] = found["energy_uncertainty"]
        names = ("energy", "forces", *(("stress",) if self.settings.ensemble == "npt" else ()))
        frame.calc = SinglePointCalculator(frame, **{name: found[name] for name in names})
        if self.settings.trajectory == "traj":
            try:
                self.trajectory.write(frame)
            except OSError as error:
                raise full(self.folder / "trajectory.traj", error) from error
        else:
            text = io.StringIO()
            ase.io.write(text, frame, format="extxyz")
            self.trajectory.append(text.getvalue())
        self.table.append(line_of(row.line(self.settings.ensemble)))

    def checkpoint(self, atoms: Atoms, step: int, state: dict[str, Any], degrees: int) -> None:
        """Note where the run is."""
        frames = len(self.trajectory) if self.settings.trajectory == "traj" else self.trajectory.size()
        found = Checkpoint(
            numbers=atoms.numbers,
            positions=atoms.positions,
            momenta=atoms.get_momenta(),
            cell=atoms.cell.array,
            step=step,
            energy=float(atoms.get_potential_energy()),
            settings=asdict(self.settings),
            integrator=state,
            written={"trajectory": frames, "table": self.table.size()},
            degrees=degrees,
        )
        try:
            found.save(self.folder)
        except OSError as error:
            raise full(self.folder / CHECKPOINT, error) from error


@contextmanager
def writer(folder: Path, settings: MDSettings, resumed: Checkpoint | None) -> Iterator[Writer]:
    """The files of a run, new ones or cut back to where the checkpoint was.

    Raises:
        MDError: if the folder holds a run already and it is not to go on, or a file of it holds less than the checkpoint says.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_writable(folder / "md.csv")
    except OSError as error:
        raise MDError(
            f"cannot write the folder {folder}: {error.strerror or error}; name another one by --out"
        ) from error
    trajectory, table = folder / f"trajectory.{settings.trajectory}", folder / "md.csv"
    if resumed is None:
        for each in (folder / "trajectory.xyz", folder / "trajectory.traj"):
            if each.exists():
                raise MDError(
                    f"{each} exists: the folder holds a run already; choose another, go on with it by --restart, or remove it"
                )
    else:
        _cut(table, resumed.written["table"])
        _cut(trajectory, resumed.written["trajectory"])
    with ExitStack() as stack:
        if resumed is None:
            table.unlink(missing_ok=True)
        lines = stack.enter_context(Records(table))
        if resumed is None:
            lines.append(line_of(columns(settings.ensemble)))
        frames: Any = _frames(trajectory) if settings.trajectory == "traj" else Records(trajectory)
        yield Writer(folder, settings, stack.enter_context(frames), lines)


@contextmanager
def _frames(path: Path) -> Iterator[Any]:
    """ASE's own format, which counts its frames when they are whole."""
    frames = Trajectory(path, "a")
    expected: tuple[type[BaseException], ...] = ()
    try:
        yield frames
    except MDError:  # the disk is full, also for what is left in the buffer
        expected = OSError, AssertionError
        raise
    finally:
        with suppress(*expected):
            frames.close()


def _cut(path: Path, written: int) -> None:
    """Leave out what was written after the checkpoint."""
    if path.suffix != ".traj":
        _check_length(path, path.stat().st_size, written)
        os.truncate(path, written)
        return
    with Trajectory(path) as frames:
        _check_length(path, len(frames), written)
        if len(frames) == written:
            return
        kept = [frames[k] for k in range(written)]
    with replacing(path) as beside, Trajectory(beside, "w") as shorter:
        for frame in kept:
            shorter.write(frame)


def _check_length(path: Path, there: int, written: int) -> None:
    if there < written:
        raise MDError(
            f"{path} holds less than {CHECKPOINT} beside it says: was it changed? start the run again in another folder"
        )


Report = Callable[[MDRow], None]
