"""Frames of a store, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.geometry import complete_cell

from equishare.atoms.frame import Frame
from equishare.atoms.geometries import REACH
from equishare.atoms.neighbours import Neighbours
from equishare.atoms.properties import PROPERTIES
from equishare.atoms.store.columns import Column
from equishare.atoms.store.tables import Header, Kind, StoreError, again, read_kinds
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


class StoredFrame(Frame):
    """A frame of a store; what it says is read when it is asked for.

    Args:
        store: Where it is.
        row: Its place there.
        weight: In the loss; None: that of its file.
    """

    __slots__ = ("_weight", "row", "store")
    store: FrameStore
    row: int
    _weight: float | None

    def __init__(self, store: FrameStore, row: int, weight: float | None = None) -> None:
        object.__setattr__(self, "store", store)
        object.__setattr__(self, "row", row)
        object.__setattr__(self, "_weight", weight)

    @property
    def kind(self) -> Kind:
        """What it has in common with others."""
        return self.store.kinds[self.store.kind_of[self.row]]

    @property
    def atoms(self) -> Atoms:
        """The geometry."""
        return self.store.atoms(self.row)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return int(self.store.sizes[self.row])

    @property
    def numbers(self) -> np.ndarray:
        """Atomic numbers."""
        return self.store.numbers(self.row)

    @property
    def positions(self) -> np.ndarray:
        """Positions in Å."""
        return self.store.positions(self.row)

    @property
    def cell(self) -> np.ndarray:
        """Vectors of the cell in Å, one a row."""
        return self.store.cell(self.row)

    @property
    def pbc(self) -> tuple[bool, ...]:
        """Whether each direction of the cell is periodic."""
        return self.kind.pbc

    @property
    def labels(self) -> Mapping[str, Any]:
        """Values by name: a float, or an array of the property's shape."""
        return _Labels(self)

    def has(self, name: str) -> bool:
        """Whether it has a label of this name."""
        return name in self.kind.labels

    @property
    def conditions(self) -> Mapping[str, int | str]:
        """What goes into the network."""
        return self.kind.conditions

    @property
    def weight(self) -> float:
        """Of the frame's errors in the loss."""
        return float(self.store.weights[self.row]) if self._weight is None else self._weight

    @property
    def file(self) -> str:
        """Where it comes from."""
        return self.kind.file

    @property
    def index(self) -> int:
        """Its place in that file."""
        return int(self.store.indices[self.row])

    @property
    def keys(self) -> Mapping[str, str]:
        """The names in the file of its labels and conditions."""
        return self.kind.keys

    @property
    def remarks(self) -> tuple[Any, ...]:
        """What was decided when it was read."""
        return self.kind.remarks

    @property
    def not_finite(self) -> frozenset[str]:
        """Labels that hold NaN or infinity in the file."""
        return self.kind.not_finite

    @property
    def columns(self) -> frozenset[str]:
        """What the file says of the frame besides its geometry, by name, used or not."""
        return self.kind.columns

    @property
    def config_type(self) -> str:
        """What the file calls frames of this kind; empty where it says nothing."""
        return self.kind.config_type

    def weighing(self, weight: float) -> Frame:
        """The same frame with another weight in the loss."""
        return StoredFrame(self.store, self.row, weight)

    def pairs(self, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Senders, how many each atom receives, and shifts of pairs within a cutoff in Å, some that are longer among them.

        Shifts are empty where nothing is periodic.

        Raises:
            GraphError: the structure has no graph.
        """
        if cutoff <= REACH and not self.store.searched[self.row]:
            return self.store.pairs(self.row)
        found = Frame(self.atoms).neighbours(cutoff)
        return found.sender, np.bincount(found.receiver, minlength=self.n_atoms), found.shift

    def neighbours(self, cutoff: float) -> Neighbours:
        """Pairs within a cutoff in Å: those of the store, or found anew where it does not hold them.

        Raises:
            GraphError: the structure has no graph.
        """
        store, row = self.store, self.row
        if cutoff > REACH or store.searched[row]:
            return Frame(self.atoms).neighbours(cutoff)
        senders, degrees, shifts = store.pairs(row)
        sender, receiver = senders.astype(np.int64), np.repeat(np.arange(len(degrees)), degrees)
        _, positions, cell = store.geometry(row)
        vectors = positions[sender] - positions[receiver]
        if not store.periodic[row]:
            return Neighbours(sender, receiver, np.zeros((len(sender), 3), np.int64), vectors).within(cutoff)
        shift = shifts.astype(np.int64)
        if shift.any():
            vectors += np.einsum("ei,ij->ej", shift, complete_cell(cell))
        return Neighbours(sender, receiver, shift, vectors).within(cutoff)

    def kept_geometry(self) -> tuple[np.ndarray, np.ndarray]:
        """What was measured when the store was made, of the frame and of its atoms."""
        return self.store.measured(self.row)


class _Labels(Mapping[str, Any]):
    """Labels of a stored frame; each is read when it is asked for."""

    def __init__(self, frame: StoredFrame) -> None:
        self._frame = frame

    def __getitem__(self, name: str) -> Any:
        frame = self._frame
        if name not in frame.kind.labels:
            raise KeyError(name)
        values = frame.store.label(frame.row, name)
        if PROPERTIES[name].per_atom:
            return values
        return values[0] if PROPERTIES[name].shape else float(values[0])

    def __iter__(self) -> Iterator[str]:
        return iter(self._frame.kind.labels)

    def __len__(self) -> int:
        return len(self._frame.kind.labels)

    def __contains__(self, name: object) -> bool:
        return name in self._frame.kind.labels
