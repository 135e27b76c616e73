"""A frame of a store, read when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.geometry import complete_cell

from equishare.atoms.frame import Frame
from equishare.atoms.geometries import REACH
from equishare.atoms.neighbours import Neighbours
from equishare.atoms.properties import PROPERTIES
from equishare.atoms.store.tables import Kind

if TYPE_CHECKING:
    from equishare.atoms.store.stored import FrameStore


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
