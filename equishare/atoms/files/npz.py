"""Arrays of frames in a ``.npz``, as MD17, rMD17 and sGDML have them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np
from ase import Atoms

from equishare.atoms.checks.measures import all_electron_energy
from equishare.atoms.files.units import factor
from equishare.atoms.labels import READER
from equishare.atoms.properties import PROPERTIES
from equishare.atoms.source import FrameReadError

__all__ = ["read_npz"]

# which arrays hold the geometry, by the names that sets use; the likeliest first
_NUMBERS = ("z", "nuclear_charges", "atomic_numbers", "numbers", "species", "atom_types")
_POSITIONS = ("r", "coords", "coordinates", "positions", "pos", "xyz")
_CELL = ("cell", "lattice", "box", "cells")
_ENERGY = ("energies",)  # of frames here, of atoms in ASE


def read_npz(file: str, stop: int | None = None) -> Iterator[Atoms]:
    """Frames of a ``.npz``, one at a time; never unpickles.

    Every array with a value for each frame goes to the frame's ``info`` under its own name. Units are those that the file says
    (``e_unit``, ``r_unit``); where it says none, energies that are those of all electrons in kcal/mol are taken to be that, with their forces.

    Raises:
        FrameReadError: arrays of numbers and positions are not there, or do not fit each other.
    """
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, NotImplementedError, KeyError) as error:
        raise FrameReadError(
            f"{file}: cannot be read as numbers ({error}); arrays of Python's objects are pickles, and refused"
        ) from error
    numbers, positions = _array(arrays, _NUMBERS, file, "atomic numbers"), _array(arrays, _POSITIONS, file, "positions")
    if positions.ndim == 2:
        positions = positions[None]
    n_frames, n_atoms = positions.shape[:2] if positions.ndim == 3 else (0, 0)
    if positions.ndim != 3 or positions.shape[2] != 3 or numbers.shape not in {(n_atoms,), (n_frames, n_atoms)}:
        raise FrameReadError(
            f"{file}: expected atomic numbers (atoms) and positions (frames, atoms, 3), got {numbers.shape} and {positions.shape}"
        )
    if numbers.dtype.kind not in "iuf" or positions.dtype.kind not in "iuf":
        raise FrameReadError(
            f"{file}: expected atomic numbers and positions as numbers, got {numbers.dtype} and {positions.dtype}"
        )
    cell = _cells(arrays, n_frames, file)
    each = {
        name: array
        for name, array in arrays.items()
        if array.ndim
        and len(array) == n_frames
        and array is not numbers
        and array is not positions
        and name.lower() not in _CELL
    }
    energy_unit, length_unit = _units(arrays, each, numbers, file)
    for n in islice(range(n_frames), stop):
        z = np.asarray(numbers if numbers.ndim == 1 else numbers[n], dtype=int)
        there = z > 0  # frames of fewer atoms are filled up with zeros
        atoms = Atoms(z[there], positions[n][there] * length_unit)
        if cell is not None:
            atoms.set_cell(cell[n] * length_unit)
            atoms.pbc = True
        for name, array in each.items():
            value = array[n]
            if value.ndim and value.shape[0] == len(z):
                value = value[there]
            atoms.info[_label(name)] = value * _scale(name, energy_unit, length_unit)
        if energy_unit != 1.0:
            atoms.info[READER] = f"energies and forces were multiplied by {energy_unit:.6g}: they are in eV now"
        yield atoms


def _array(arrays: Mapping[str, np.ndarray], names: tuple[str, ...], file: str, what: str) -> np.ndarray:
    for name in names:
        for present, array in arrays.items():
            if present.lower() == name:
                return array
    raise FrameReadError(
        f"{file}: expected {what} under one of the names {', '.join(names)}, got the arrays {', '.join(arrays) or 'none'}"
    )


def _cells(arrays: Mapping[str, np.ndarray], n_frames: int, file: str) -> np.ndarray | None:
    """A cell for each frame, ``[frames, 3, 3]``; one cell is that of all frames. None where there is none."""
    name = next((name for name in arrays if name.lower() in _CELL), None)
    if name is None:
        return None
    cell = arrays[name]
    if cell.dtype.kind not in "iuf" or cell.shape not in {(3, 3), (9,), (n_frames, 3, 3), (n_frames, 9)}:
        raise FrameReadError(
            f"{file}: expected the array {name} to hold one cell (3, 3), or one a frame ({n_frames}, 3, 3), got {cell.dtype} of shape "
            f"{cell.shape}"
        )
    return np.broadcast_to(cell.reshape(-1, 3, 3).astype(float), (n_frames, 3, 3))


def _label(name: str) -> str:
    return "energy" if name.lower() in _ENERGY else name


def _is(name: str, label: str) -> bool:
    row = PROPERTIES[label]
    return _label(name).lower() in (*row.keys, *row.rare_keys)


def _scale(name: str, energy_unit: float, length_unit: float) -> float:
    if _is(name, "energy"):
        return energy_unit
    return energy_unit / length_unit if _is(name, "forces") else 1.0


def _units(
    arrays: Mapping[str, np.ndarray], each: Mapping[str, np.ndarray], numbers: np.ndarray, file: str
) -> tuple[float, float]:
    """Units of energy and length in eV and Å."""
    said = {
        name: factor(str(arrays[key].item()), file)
        for name, key in (("energy", "e_unit"), ("length", "r_unit"))
        if key in arrays and arrays[key].size == 1
    }
    energies = next((array for name, array in each.items() if _is(name, "energy")), None)
    if "energy" not in said and energies is not None and energies.size == len(energies) and numbers.ndim == 1:
        electrons = sum(all_electron_energy(int(z)) for z in numbers)
        kcal = factor("kcal/mol", file)
        if numbers.max(initial=0) > 2 and abs(float(np.median(energies)) * kcal / electrons - 1.0) < 0.05:
            said["energy"] = kcal
    return said.get("energy", 1.0), said.get("length", 1.0)
