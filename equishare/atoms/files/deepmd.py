"""Folders of ``.npy`` of DeePMD-kit: ``type.raw``, ``type_map.raw``, ``set.*/coord.npy``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from equishare.atoms.source import FrameReadError

__all__ = ["read_deepmd"]

_GEOMETRY = ("coord", "box", "real_atom_types")


def read_deepmd(folder: str, stop: int | None = None) -> Iterator[Atoms]:
    """Frames of all systems in a folder and the folders below it, in eV and Å, DeePMD's units.

    Every array with a value for each frame goes to the frame's ``info`` under the name of its file; DeePMD's virial is ASE's stress times minus
    the volume.

    Raises:
        FrameReadError: a file is missing, or its shape does not fit the others.
    """
    n = 0
    for system in sorted(path.parent for path in Path(folder).rglob("type.raw")):
        numbers, types = _numbers(system)
        periodic = not (system / "nopbc").exists()
        sets = sorted(path for path in system.glob("set.*") if path.is_dir())
        if not sets:
            raise FrameReadError(f"{system}: expected folders set.000, set.001, ... with coord.npy, found none")
        for part in sets:
            for atoms in _frames(part, numbers, types, periodic):
                if n == stop:
                    return
                yield atoms
                n += 1


def _numbers(system: Path) -> tuple[np.ndarray, np.ndarray]:
    """Atomic number of each type, and the type of each atom."""
    names = system / "type_map.raw"
    if not names.exists():
        raise FrameReadError(
            f"{system}: expected type_map.raw with the symbols of types 0, 1, ..., found none; write it"
        )
    try:
        symbols = names.read_text(encoding="utf-8").split()
        types = np.array([int(word) for word in (system / "type.raw").read_text(encoding="utf-8").split()], dtype=int)
        # kinds of one element are numbered: Fe1, Fe2
        numbers = np.array([atomic_numbers[re.sub(r"_?\d+$", "", symbol)] for symbol in symbols], dtype=int)
    except (OSError, ValueError) as error:
        raise FrameReadError(f"{system}: type.raw must hold whole numbers: {error}") from error
    except KeyError as error:
        raise FrameReadError(f"{names}: {error.args[0]!r} is not a chemical symbol") from error
    if not len(types) or types.min() < 0 or types.max() >= len(numbers):
        raise FrameReadError(f"{system}: type.raw must number the {len(numbers)} symbols of type_map.raw from 0")
    return numbers, types


def _frames(part: Path, numbers: np.ndarray, types: np.ndarray, periodic: bool) -> Iterator[Atoms]:
    arrays = {path.stem: _load(path) for path in sorted(part.glob("*.npy"))}
    if "coord" not in arrays:
        raise FrameReadError(f"{part}: expected coord.npy, found {', '.join(arrays) or 'nothing'}")
    n_frames, n_atoms = len(arrays["coord"]), len(types)
    if arrays["coord"].size != n_frames * n_atoms * 3:
        raise FrameReadError(f"{part}/coord.npy: expected {n_atoms} atoms a frame, got shape {arrays['coord'].shape}")
    periodic = periodic and "box" in arrays
    if periodic and arrays["box"].size != 9 * n_frames:
        raise FrameReadError(f"{part}/box.npy: expected shape ({n_frames}, 9), got {arrays['box'].shape}")
    positions = arrays["coord"].reshape(n_frames, n_atoms, 3)
    for n in range(n_frames):
        kinds = arrays["real_atom_types"][n].astype(int) if "real_atom_types" in arrays else types
        there = kinds >= 0  # atoms of mixed systems are filled up with -1
        atoms = Atoms(numbers[kinds[there]], positions[n][there])
        if periodic:
            atoms.set_cell(arrays["box"][n].reshape(3, 3))
            atoms.pbc = True
        for name, array in arrays.items():
            if name not in _GEOMETRY and len(array) == n_frames:
                value = array[n]
                atoms.info[name] = value.reshape(n_atoms, -1)[there] if value.size == 3 * n_atoms > 3 else value
        yield atoms


def _load(path: Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise FrameReadError(f"{path}: cannot be read as an array of numbers: {error}") from error
    if array.ndim == 0 or array.dtype.kind not in "fiu":
        raise FrameReadError(f"{path}: expected numbers for each frame, got {array.dtype} of shape {array.shape}")
    return array
