"""A store of frames, whose numbers are read when they are asked for."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from ase import Atoms

from equishare.atoms.frame import Frame
from equishare.atoms.properties import PROPERTIES
from equishare.atoms.store.columns import Column
from equishare.atoms.store.stored_frame import StoredFrame
from equishare.atoms.store.tables import Header, StoreError, again, read_kinds
from equishare.atoms.store.writing import ATOM_COLUMNS, FRAME_COLUMNS, PAIR_COLUMNS, SHIFT_COLUMNS

_KEPT = 64
"""Structures that stay in memory: a look at a frame often asks for its atoms several times."""


class FrameStore:
    """A store of frames on disk: about 70 bytes a frame and 2 an atom are in memory, the rest is read when it is asked for.

    Args:
        folder: That `convert` has written.

    Raises:
        StoreError: if it is none, not complete, damaged, or of another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.header = folder, Header.read(folder)
        header = self.header
        if not header.complete:
            raise StoreError(
                f"{folder} is a store of frames whose conversion was stopped; convert its files again, and it goes on"
            )
        self.kinds = read_kinds(folder, header.kinds)
        try:
            self._columns = {
                **{name: Column(folder / f"{name}.npy", header.frames) for name in FRAME_COLUMNS},
                **{name: Column(folder / f"{name}.npy", header.atoms) for name in ATOM_COLUMNS},
                **{name: Column(folder / f"{name}.npy", header.pairs) for name in PAIR_COLUMNS},
                **{name: Column(folder / f"{name}.npy", header.shifts) for name in SHIFT_COLUMNS},
            }
            self._labels = {
                name: Column(folder / f"label_{name}.npy", header.atoms if PROPERTIES[name].per_atom else header.frames)
                for name in header.labels
            }
        except KeyError as error:
            raise StoreError(f"{folder} has labels {error}, of which nothing is known here; {again(folder)}") from error
        except StoreError as error:
            raise StoreError(f"{error}; {again(folder)}") from error
        self.kind_of, self.weights, self.indices, self.sizes, pairs = (
            self._columns[name][0 : header.frames] for name in ("kinds", "weights", "indices", "sizes", "pairs")
        )
        periodic = np.array([any(kind.pbc) for kind in self.kinds], dtype=bool)
        self.periodic = periodic[self.kind_of]
        self.searched = pairs < 0
        self._atoms, self._pairs, self._shifts = (
            np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
            for counts in (self.sizes, np.maximum(pairs, 0), np.where(self.periodic, np.maximum(pairs, 0), 0))
        )
        self._numbers = self._columns["numbers"][0 : header.atoms]
        self._scalars = {
            name: column[0 : header.frames]
            for name, column in self._labels.items()
            if not PROPERTIES[name].per_atom and not PROPERTIES[name].shape
        }
        self.atoms = lru_cache(maxsize=_KEPT)(self._read_atoms)

    def __len__(self) -> int:
        return self.header.frames

    def frames(self) -> list[Frame]:
        """All frames, in the order of the files."""
        return [StoredFrame(self, row) for row in range(len(self))]

    def geometry(self, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Atomic numbers, positions and cell of a frame."""
        return self.numbers(row), self.positions(row), self.cell(row)

    def numbers(self, row: int) -> np.ndarray:
        """Atomic numbers of a frame."""
        return self._numbers[self._atoms[row] : self._atoms[row + 1]]

    def positions(self, row: int) -> np.ndarray:
        """Positions of a frame in Å."""
        return self._columns["positions"][int(self._atoms[row]) : int(self._atoms[row + 1])]

    def cell(self, row: int) -> np.ndarray:
        """Cell of a frame in Å."""
        return self._columns["cells"][row : row + 1][0]

    def measured(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """What `equishare.atoms.geometries` has measured of a frame, and of its atoms."""
        atoms = slice(int(self._atoms[row]), int(self._atoms[row + 1]))
        return self._columns["measures"][row : row + 1][0], self._columns["surroundings"][atoms]

    def _read_atoms(self, row: int) -> Atoms:
        numbers, positions, cell = self.geometry(row)
        kind = self.kinds[self.kind_of[row]]
        info = {"config_type": kind.config_type} if kind.config_type else {}
        return Atoms(numbers, positions=positions, cell=cell, pbc=kind.pbc, info=info)

    def pairs(self, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Senders, how many each atom receives, and shifts of the pairs within `REACH`; shifts only of periodic frames."""
        pairs = slice(int(self._pairs[row]), int(self._pairs[row + 1]))
        shifts = slice(int(self._shifts[row]), int(self._shifts[row + 1]))
        atoms = slice(int(self._atoms[row]), int(self._atoms[row + 1]))
        return self._columns["senders"][pairs], self._columns["degrees"][atoms], self._columns["shifts"][shifts]

    def label(self, row: int, name: str) -> np.ndarray:
        """Values of a label, ``[atoms, ...]`` or ``[1, ...]``; NaN where there is none."""
        if name in self._scalars:
            return self._scalars[name][row : row + 1]
        if name not in self._labels:
            size = int(self.sizes[row]) if PROPERTIES[name].per_atom else 1
            return np.full((size, *PROPERTIES[name].shape), np.nan)
        if PROPERTIES[name].per_atom:
            return self._labels[name][int(self._atoms[row]) : int(self._atoms[row + 1])]
        return self._labels[name][row : row + 1]
