"""What is noted of a run."""

import csv
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units

from equishare.simulate.md.settings import Ensemble, MDSettings

# columns of ``md.csv``: which attribute stands there, and how it is written
_COLUMNS = {
    "step": ("step", "d"),
    "time_fs": ("time", ".12g"),
    "temperature_K": ("temperature", ".8g"),
    "potential_eV": ("potential_energy", ".8g"),
    "kinetic_eV": ("kinetic_energy", ".8g"),
    "total_eV": ("total_energy", ".8g"),
    "max_force": ("max_force", ".8g"),
    "steps_per_s": ("steps_per_second", ".1f"),
}
_OF_THE_CELL = {"volume_A3": ("volume", ".8g"), "pressure_bar": ("pressure", ".8g")}


@dataclass(frozen=True)
class MDRow:
    """The state of a run at one step, in fs, K, eV and eV/Å; of "npt" also volume in Å^3 and pressure in bar."""

    step: int
    time: float
    temperature: float
    potential_energy: float
    kinetic_energy: float
    max_force: float
    steps_per_second: float
    volume: float | None = None
    pressure: float | None = None

    @property
    def total_energy(self) -> float:
        """Potential and kinetic energy in eV; conserved in NVE."""
        return self.potential_energy + self.kinetic_energy

    @classmethod
    def of(
        cls, atoms: Atoms, forces: np.ndarray, time: tuple[int, float], degrees: int, speed: float, cell: bool
    ) -> "MDRow":
        """Look at atoms after (step, fs), with so many degrees of freedom; `cell`: at its volume and pressure too."""
        kinetic = float(atoms.get_kinetic_energy())
        volume = pressure = None
        if cell:
            volume = float(atoms.get_volume())
            virial = -float(atoms.get_stress()[:3].sum()) * volume
            pressure = (virial + 2 * kinetic) / (3 * volume) / units.bar
        return cls(
            step=time[0],
            time=time[1],
            temperature=kelvin(kinetic, degrees),
            potential_energy=float(atoms.get_potential_energy()),
            kinetic_energy=kinetic,
            max_force=float(np.linalg.norm(forces, axis=1).max()),
            steps_per_second=speed,
            volume=volume,
            pressure=pressure,
        )

    def line(self, ensemble: Ensemble) -> list[str]:
        """As a line of ``md.csv``."""
        return [format(getattr(self, name), form) for name, form in columns(ensemble).values()]

    @classmethod
    def read(cls, table: Path) -> "list[MDRow]":
        """The lines of ``md.csv``."""
        known = {column: name for column, (name, _) in (_COLUMNS | _OF_THE_CELL).items() if name != "total_energy"}
        rows = []
        with open(table, newline="", encoding="utf-8") as lines:
            for line in csv.DictReader(lines):
                values: dict[str, Any] = {known[key]: float(text) for key, text in line.items() if key in known}
                rows.append(cls(**values | {"step": int(line["step"])}))
        return rows


def columns(ensemble: Ensemble) -> dict[str, tuple[str, str]]:
    """The columns of ``md.csv``: the attribute of a row, and its format."""
    return _COLUMNS | _OF_THE_CELL if ensemble == "npt" else _COLUMNS


@dataclass
class MDResult:
    """What a run did.

    Attributes:
        folder: Holds ``trajectory.xyz`` (or ``.traj``), ``md.csv``, ``md.png`` and ``restart.npz``.
        settings: Of the run.
        n_atoms: Number of atoms.
        start: Where the velocities at the start came from, in words.
        rows: The states written to ``md.csv``.
        stopped: Why the run ended before its last step; None if it did not.
        interrupted: Whether the user stopped it.
    """

    folder: Path
    settings: MDSettings
    n_atoms: int
    start: str = ""
    rows: list[MDRow] = field(default_factory=list)
    stopped: str | None = None
    interrupted: bool = False

    @property
    def drift(self) -> float:
        """Slope of the total energy by least squares, in meV/atom/ps; NaN for fewer than three states."""
        if len(self.rows) < 3:
            return math.nan
        times = np.array([row.time for row in self.rows]) / 1000
        total = np.array([row.total_energy for row in self.rows]) * 1000 / self.n_atoms
        return float(np.polyfit(times - times.mean(), total - total.mean(), 1)[0])


def kelvin(kinetic: float, degrees: int) -> float:
    """Temperature in K of a kinetic energy in eV."""
    return 2 * kinetic / (degrees * units.kB)
