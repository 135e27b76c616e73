"""CP2K's output of one structure, and its trajectories: positions, forces and cell in files side by side."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.formats import open_with_compression
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import Bohr, GPa, Hartree

from equishare.atoms.files.formats import CP2K_COMMENT
from equishare.atoms.labels import READER
from equishare.atoms.source import FrameReadError

__all__ = ["read_output", "read_trajectory"]

_NUMBER = r"([-+]?\d+\.\d*(?:[EeDd][-+]?\d+)?)"
_VECTOR = re.compile(r"CELL\|\s+Vector ([abc]) \[angstrom\]:?\s+" + r"\s+".join([_NUMBER] * 3))
_ATOM = re.compile(r"^\s*\d+\s+\d+\s+([A-Z][a-z]?)\s+\d+\s+" + r"\s+".join([_NUMBER] * 3), re.MULTILINE)
_ENERGY = re.compile(r"ENERGY\| Total FORCE_EVAL.*?" + _NUMBER + r"\s*$", re.MULTILINE)
_FORCE = re.compile(r"^\s*(?:FORCES\|\s+\d+|\d+\s+\d+\s+[A-Z]\w*)\s+" + r"\s+".join([_NUMBER] * 3), re.MULTILINE)
_STRESS_ROW = re.compile(r"^\s*(?:STRESS\|)?\s*[XYZxyz]\s+" + r"\s+".join([_NUMBER] * 3), re.MULTILINE)
_STRESS_UNITS = {"gpa": GPa, "bar": 1e-4 * GPa, "kbar": 0.1 * GPa}


def read_output(file: str, stop: int | None = None) -> Iterator[Atoms]:
    """The structure of an output with energy, and forces and stress where they are printed; CP2K's stress has the other sign.

    Raises:
        FrameReadError: coordinates or energy are not printed, or the run has several steps.
    """
    with open_with_compression(file, "rt") as stream:
        text = stream.read()
    run = re.search(r"GLOBAL\| Run type\s+(\S+)", text)
    if run and run.group(1) not in {"ENERGY", "ENERGY_FORCE"}:
        raise FrameReadError(
            f"{file}: an output of CP2K's run type {run.group(1)} has no coordinates of each step; name PROJECT-pos-1.xyz, with "
            "PROJECT-frc-1.xyz and PROJECT-1.cell beside it (&FORCES and &CELL in &PRINT of &MOTION)"
        )
    begin = text.find("ATOMIC COORDINATES IN")
    block = text[begin : begin + 40 + 120 * text.count("\n", begin)]
    rows = _rows_of(_ATOM, block[: _end(block)]) if begin >= 0 else []
    energies = _ENERGY.findall(text)
    if not rows or not energies:
        raise FrameReadError(
            f"{file}: expected atomic coordinates and a total energy, found {'no energy' if rows else 'no coordinates'}"
        )
    bohr = "angstrom" not in block[:80].lower()
    atoms = Atoms([r[0] for r in rows], _array(r[1:] for r in rows) * (Bohr if bohr else 1.0))
    vectors = {name: numbers for name, *numbers in _VECTOR.findall(text)}
    if len(vectors) == 3:
        atoms.set_cell(_array(vectors[name] for name in "abc"))
        atoms.pbc = not re.search(r"(?:POISSON|CELL)\|\s+Periodicity\s+NONE", text)
    results: dict[str, float | np.ndarray] = {"energy": _float(energies[-1]) * Hartree}
    if (forces := _forces(text, len(atoms))) is not None:
        results["forces"] = forces
    if (stress := _stress(text)) is not None:
        results["stress"] = full_3x3_to_voigt_6_stress(-stress)
    atoms.calc = SinglePointCalculator(atoms, **results)
    for name, pattern in (("charge", r"DFT\| Charge\s+(-?\d+)"), ("multiplicity", r"DFT\| Multiplicity\s+(\d+)")):
        if found := re.search(pattern, text):
            atoms.info[name] = int(found.group(1))
    if "SCF run NOT converged" in text:
        atoms.info[READER] = "its electrons did not converge"
    yield atoms


def _rows_of(pattern: re.Pattern[str], text: str) -> list[tuple[str, ...]]:
    return [match.groups() for match in pattern.finditer(text)]


def _end(block: str) -> int:
    """Where a table ends: at the second empty line behind its first row."""
    first = _ATOM.search(block)
    if not first:
        return 0
    end = block.find("\n\n", first.start())
    return end if end > 0 else len(block)


def _forces(text: str, n_atoms: int) -> np.ndarray | None:
    begin = max(text.rfind("ATOMIC FORCES in"), text.rfind("FORCES| Atomic forces"))
    if begin < 0:
        return None
    rows = [match.groups() for match in islice(_FORCE.finditer(text, begin), n_atoms)]
    return _array(rows) * (Hartree / Bohr) if len(rows) == n_atoms else None


def _stress(text: str) -> np.ndarray | None:
    head = list(re.finditer(r"STRESS(?: TENSOR|\| Analytical stress tensor) \[(\w+)\]", text))
    if not head or head[-1].group(1).lower() not in _STRESS_UNITS:
        return None
    rows = [match.groups() for match in islice(_STRESS_ROW.finditer(text, head[-1].end()), 3)]
    return _array(rows) * _STRESS_UNITS[head[-1].group(1).lower()] if len(rows) == 3 else None


def _float(word: str) -> float:
    return float(word.replace("D", "E").replace("d", "e"))


def _array(rows: object) -> np.ndarray:
    return np.array([[_float(word) for word in row] for row in rows])  # type: ignore[attr-defined]


def read_trajectory(file: str, stop: int | None = None) -> Iterator[Atoms]:
    """Frames of PROJECT-pos-1.xyz; forces are those of PROJECT-frc-1.xyz and cells those of PROJECT-1.cell, where they are there.

    Energies are in Hartree, forces in Hartree/Bohr, positions and cells in Å.

    Raises:
        FrameReadError: the file holds forces or velocities in place of positions, or files do not fit each other.
    """
    folder, base = os.path.split(file)
    for kind, what in (("-frc-", "forces"), ("-vel-", "velocities")):
        if kind in base:
            raise FrameReadError(
                f"{file}: holds {what} of CP2K in place of positions; name {base.replace(kind, '-pos-')}"
            )
    beside = os.path.join(folder, base.replace("-pos-", "-frc-"))
    forces = _frames(beside) if "-pos-" in base and os.path.exists(beside) else None
    cells = _cells(os.path.join(folder, re.sub(r"-pos-(\d+)\.xyz$", r"-\1.cell", base)))
    said = "energies are in eV now, they were in Hartree; " + (
        "forces are read beside it" if forces else "no forces beside it"
    )
    said += ", cells too" if cells else ", and no cells"
    for step, energy, symbols, positions in islice(_frames(file), stop):
        atoms = Atoms(symbols, positions)
        results: dict[str, float | np.ndarray] = {"energy": energy * Hartree}
        if forces is not None:
            other, _, _, values = next(forces, (None, 0.0, [], np.zeros((0, 3))))
            if other != step or len(values) != len(atoms):
                raise FrameReadError(
                    f"{beside}: expected step {step} with {len(atoms)} atoms as in {base}, got {other}"
                )
            results["forces"] = values * (Hartree / Bohr)
        if cells:
            if step not in cells:
                raise FrameReadError(f"{file}: step {step} has no cell in the file beside it")
            atoms.set_cell(cells[step])
            atoms.pbc = True
        atoms.calc = SinglePointCalculator(atoms, **results)
        atoms.info.update({"step": step, READER: said})
        yield atoms


def _frames(file: str) -> Iterator[tuple[int, float, list[str], np.ndarray]]:
    """Step, energy in Hartree, symbols and the three columns of each frame."""
    with open_with_compression(file, "rt") as stream:
        while head := stream.readline():
            if not head.strip():
                continue
            comment = CP2K_COMMENT.match(stream.readline())
            rows = [stream.readline().split() for _ in range(int(head))]
            if comment is None or any(len(row) < 4 for row in rows):
                raise FrameReadError(f"{file}: a frame of CP2K's is cut short or has another comment; remove it")
            yield int(comment.group(1)), float(comment.group(2)), [r[0] for r in rows], _array(r[1:4] for r in rows)


def _cells(file: str) -> dict[int, np.ndarray]:
    if not os.path.exists(file):
        return {}
    with open(file, encoding="utf-8") as stream:
        rows = [line.split() for line in stream if line.strip() and not line.startswith("#")]
    return {int(row[0]): np.array([float(word) for word in row[2:11]]).reshape(3, 3) for row in rows if len(row) >= 11}
