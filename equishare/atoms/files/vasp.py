"""VASP's OUTCAR and vasprun.xml, with what tells whether a step converged."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers
from ase.io import iread
from ase.io.formats import open_with_compression
from ase.units import GPa

from equishare.atoms.labels import READER
from equishare.atoms.source import FrameReadError

__all__ = ["read_outcar", "read_vasprun"]

_NUMBER = re.compile(r"-?\d+\.\d+")
_ITERATION = re.compile(r"Iteration\s+\d+\(\s*(\d+)\)")
_ENERGY_ZERO = re.compile(r"energy\(sigma->0\)\s*=\s*(-?\d+\.\d+)")
_UNCONVERGED = "its electrons took all NELM steps, and may not converge: see whether to leave it out"


def read_outcar(file: str, stop: int | None = None) -> Iterator[Atoms]:
    """Ionic steps of an OUTCAR with energy, free energy, forces and stress; steps of a machine-learned force field are left out.

    VASP prints the stress in kbar, positive where the cell wants to grow, in the order xx yy zz xy yz zx.

    Raises:
        FrameReadError: species or numbers of atoms are not there, or no step has positions.
    """
    with open_with_compression(file, "rt") as stream:
        steps = _Outcar(file).steps(iter(stream))
        n = 0
        for atoms in steps:
            if n == stop:
                return
            yield atoms
            n += 1
    if n == 0:
        raise FrameReadError(f"{file}: no ionic step is complete; was the calculation cut short?")


class _Outcar:
    """What has been read so far."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.titles: list[str] = []  # of the potentials' own sections; names that stand twice in the list before them
        self.listed: list[str] = []
        self.counts: list[int] = []
        self.most = 0  # electronic steps that are allowed
        self.taken = 0
        self.cell: np.ndarray | None = None
        self.table: np.ndarray | None = None
        self.stress: np.ndarray | None = None

    @property
    def symbols(self) -> list[str]:
        return self.titles or self.listed[: len(self.listed) // 2]

    def steps(self, lines: Iterator[str]) -> Iterator[Atoms]:
        """Steps that are complete: a calculation that was stopped ends within one."""
        free_energy = None
        for line in lines:
            if "TITEL  =" in line:
                self.titles.append(_symbol(line.split("=")[1].split()))
            elif line.lstrip().startswith("POTCAR:"):
                self.listed.append(_symbol(line.split(":")[1].split()))
            elif "ions per type =" in line:
                self.counts = [int(word) for word in line.split("=")[1].split()]
            elif "NELM   =" in line:
                self.most = int(re.findall(r"\d+", line)[0])
            elif match := _ITERATION.search(line):
                self.taken = int(match.group(1))
            elif "direct lattice vectors" in line:
                self.cell = _table(lines, 3, 3)
            elif line.lstrip().startswith("in kB"):
                self.stress = _table(iter([line]), 1, 6)
            elif "TOTAL-FORCE" in line and "(ML)" not in line:
                next(lines, "")
                self.table = _table(lines, sum(self.counts), 6)
            elif "free  energy   TOTEN  =" in line:
                free_energy = float(_NUMBER.findall(line)[0])
            elif free_energy is not None and (match := _ENERGY_ZERO.search(line)):
                yield self._frame(float(match.group(1)), free_energy)
                free_energy = None

    def _frame(self, energy: float, free_energy: float) -> Atoms:
        if self.cell is None or self.table is None or not self.counts or len(self.counts) != len(self.symbols):
            raise FrameReadError(
                f"{self.file}: expected the species, ions of each, a cell and a table of positions and forces before the first energy; "
                "VASP leaves some out with NWRITE = 0 or many species: name vasprun.xml in its place"
            )
        numbers = [atomic_numbers[s] for s, n in zip(self.symbols, self.counts, strict=True) for _ in range(n)]
        atoms = Atoms(numbers, self.table[:, :3], cell=self.cell, pbc=True)
        results = {"energy": energy, "free_energy": free_energy, "forces": self.table[:, 3:]}
        if self.stress is not None:
            results["stress"] = -0.1 * GPa * self.stress[0, [0, 1, 2, 4, 5, 3]]
        atoms.calc = SinglePointCalculator(atoms, **results)
        if self.taken >= self.most > 1:
            atoms.info[READER] = _UNCONVERGED
        self.table = self.stress = None
        return atoms


def _symbol(words: list[str]) -> str:
    """The element of a potential: 'Fe' of 'PAW_PBE Fe_pv 02Aug2007'."""
    return words[min(1, len(words) - 1)].split("_")[0].split(".")[0]


def _table(lines: Iterator[str], rows: int, columns: int) -> np.ndarray | None:
    """The first numbers of the next lines, also where they touch; None where some are not there."""
    found = [[float(word) for word in _NUMBER.findall(next(lines, ""))[:columns]] for _ in range(rows)]
    return np.array(found) if found and all(len(row) == columns for row in found) else None


def read_vasprun(file: str, stop: int | None = None) -> Iterator[Atoms]:
    """Ionic steps of a vasprun.xml as ASE reads them, with a remark on those whose electrons did not converge."""
    with open_with_compression(file, "rt") as stream:
        text = stream.read()
    limit = re.search(r'name="NELM">\s*(\d+)', text)
    taken = [part.count("<scstep>") for part in text.split("<calculation>")[1:]]
    for n, atoms in enumerate(iread(file, index=slice(0, stop), format="vasp-xml", do_not_split_by_at_sign=True)):
        if limit and n < len(taken) and taken[n] >= int(limit.group(1)) > 1:
            atoms.info[READER] = _UNCONVERGED
        yield atoms
