"""One geometry with what its file says of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from jaxtyping import Float, Int

from equishare.atoms.checks.findings import Remark
from equishare.atoms.composition import Composition, composition_of
from equishare.atoms.neighbours import Neighbours, is_sound, neighbour_list
from equishare.atoms.properties import PROPERTIES, LabelError

__all__ = ["Frame", "species_counts", "split_isolated", "stacked"]

_STACKED = 1000


@dataclass(frozen=True, eq=False, init=False)
class Frame:
    """One geometry with its labels and conditions, in the units of the table of properties (eV, Å, e).

    Labels and conditions go by their names in `equishare.atoms.properties.PROPERTIES`, in the two mappings or as keyword arguments, which
    replace; None removes. A label that is NaN or infinite is left out, and its name kept in `not_finite`; of one value an atom, the
    atoms concerned are NaN.

    Attributes:
        atoms: The geometry, with whatever else the file says in ``info`` and ``arrays``.
        labels: Values by name: a float, or an array of the property's shape.
        conditions: What goes into the network: ``{"charge": 1}``.
        weight: Of the frame's errors in the loss.
        file: Where it comes from.
        index: Its place in that file.
        keys: The names in the file of its labels and conditions.
        remarks: What was decided when it was read.
        not_finite: Labels that hold NaN or infinity in the file.

    Raises:
        LabelError: for a name that is not in the table, or a label of the wrong shape.

    >>> frame = Frame(Atoms("H"), energy=-13.6, spin=2, file="atoms.xyz", index=17)
    >>> frame.name, frame.label("energy"), frame.label("forces"), frame.conditions
    ('atoms.xyz@17', -13.6, None, {'spin': 2})
    """

    atoms: Atoms
    labels: Mapping[str, Any]
    conditions: Mapping[str, int | str]
    weight: float
    file: str
    index: int
    keys: Mapping[str, str]
    remarks: tuple[Remark, ...]
    not_finite: frozenset[str]
    _kept: dict[Any, Any] = field(init=False, repr=False)

    def __init__(
        self,
        atoms: Atoms,
        labels: Mapping[str, Any] | None = None,
        conditions: Mapping[str, int | str] | None = None,
        **further: Any,
    ) -> None:
        plain = {name: further.pop(name, default) for name, default in _PLAIN.items()}
        given: dict[str, Any] = {**(labels or {}), **(conditions or {}), **further}
        unknown = [name for name in given if name not in PROPERTIES]
        if unknown:
            raise LabelError(f"expected names of {', '.join(PROPERTIES)}, got {', '.join(map(repr, unknown))}")
        spoilt = set(plain.pop("not_finite")) - {name for name, value in further.items() if value is None}
        values: dict[str, dict[str, Any]] = {"output": {}, "condition": {}}
        for name, value in given.items():
            row = PROPERTIES[name]
            if value is None:
                continue
            value = row.value(value, len(atoms))
            if row.role == "output":
                value, finite = _finite(value, row.per_atom)
                spoilt -= {name}
                spoilt |= set() if finite else {name}
            if value is not None:
                values[row.role][name] = value
        every = {**plain, "atoms": atoms, "labels": values["output"], "conditions": values["condition"]}
        for name, value in {**every, "not_finite": frozenset(spoilt), "_kept": {}}.items():
            object.__setattr__(self, name, value)

    def label(self, name: str) -> Any:
        """A label by its name in the table; None where the frame has none."""
        return self.labels.get(name)

    def has(self, name: str) -> bool:
        """Whether it has a label of this name."""
        return name in self.labels

    @property
    def energy(self) -> float | None:
        """Energy in eV."""
        return self.labels.get("energy")

    @property
    def forces(self) -> Float[np.ndarray, "atoms 3"] | None:
        """Forces in eV/Å; NaN on atoms that have none."""
        return self.labels.get("forces")

    @property
    def stress(self) -> Float[np.ndarray, "3 3"] | None:
        """Stress in eV/Å^3; positive: the cell wants to shrink, as in ASE."""
        return self.labels.get("stress")

    @property
    def name(self) -> str:
        """File and index, as ASE would read it: 'file.xyz@17'."""
        return f"{os.path.basename(self.file)}@{self.index}"

    @property
    def config_type(self) -> str:
        """What the file calls frames of this kind; empty where it says nothing."""
        return str(self.atoms.info.get("config_type", ""))

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.atoms)

    @property
    def numbers(self) -> Int[np.ndarray, " atoms"]:
        """Atomic numbers."""
        return self.atoms.numbers

    @property
    def positions(self) -> Float[np.ndarray, "atoms 3"]:
        """Positions in Å."""
        return self.atoms.positions

    @property
    def cell(self) -> Float[np.ndarray, "3 3"]:
        """Vectors of the cell in Å, one a row."""
        return self.atoms.cell.array

    @property
    def pbc(self) -> tuple[bool, ...]:
        """Whether each direction of the cell is periodic."""
        return tuple(self.atoms.pbc.tolist())

    @property
    def composition(self) -> Composition:
        """Which atoms it has."""
        return composition_of(self.numbers)

    @property
    def columns(self) -> frozenset[str]:
        """What the file says of the frame besides its geometry, by name, used or not."""
        return frozenset(str(key) for key in (*self.atoms.info, *self.atoms.arrays)) - {"numbers", "positions"}

    def weighing(self, weight: float) -> Frame:
        """The same frame with another weight in the loss."""
        return replace(self, weight=weight)

    def neighbours(self, cutoff: float) -> Neighbours:
        """Pairs within a cutoff in Å; found once for the largest cutoff that is asked for, and kept.

        Raises:
            GraphError: the structure has no graph.

        >>> frame = Frame(Atoms("CO", positions=[(0, 0, 0), (0, 0, 1.13)]))
        >>> frame.neighbours(5.0).sender.tolist(), frame.neighbours(1.0).sender.tolist()
        ([1, 0], [])
        """
        radius, kept = self._kept.get("neighbours", (0.0, None))
        if kept is None or radius < cutoff:
            pairs = neighbour_list(self.atoms, cutoff)
            whole = np.int8 if np.abs(pairs.shift).max(initial=0) < 128 else np.int64
            # 11 bytes a pair, vectors are made again: a training set stays in memory
            kept = pairs.sender.astype(np.int32), pairs.receiver.astype(np.int32), pairs.shift.astype(whole)
            self._kept["neighbours"] = cutoff, kept
            return pairs
        sender, receiver, shift = (each.astype(np.int64) for each in kept)
        vectors = self.atoms.positions[sender] - self.atoms.positions[receiver]
        if shift.any():
            vectors += np.einsum("ei,ij->ej", shift, np.asarray(self.atoms.cell.complete()))
        return Neighbours(sender, receiver, shift, vectors).within(cutoff)

    def kept_geometry(self) -> tuple[np.ndarray, np.ndarray] | None:
        """What `equishare.atoms.geometries` has measured, of the frame and of its atoms; None before."""
        return self._kept.get("geometry")

    def keep_geometry(self, measured: tuple[np.ndarray, np.ndarray]) -> None:
        """Keep what was measured."""
        self._kept["geometry"] = measured

    def is_isolated(self, cutoff: float = 5.0) -> bool:
        """One atom, called isolated by `config_type`, or without an image of itself within the cutoff in Å."""
        if self.n_atoms != 1:
            return False
        if self.config_type.lower().startswith("isolated") or not any(self.pbc):
            return True
        return is_sound(self.atoms) and not len(self.neighbours(cutoff).sender)


_PLAIN: dict[str, Any] = {
    "weight": 1.0,
    "file": "",
    "index": 0,
    "keys": {},
    "remarks": (),
    "not_finite": frozenset(),
}


def _finite(value: Any, per_atom: bool) -> tuple[Any, bool]:
    """The value, without what is not finite, and whether it was all finite."""
    good = np.isfinite(value)
    if np.all(good):
        return value, True
    if not per_atom or not good.any():
        return None, False
    rows = good.reshape(len(good), -1).all(axis=1)
    if not rows.any():
        return None, False
    value = np.array(value)
    value[~rows] = np.nan
    return value, False


def stacked(frames: Sequence[Frame], name: str) -> Iterator[tuple[list[Frame], np.ndarray]]:
    """Frames that have a label, many at a time, and their values one after the other.

    >>> frames = [Frame(Atoms("H"), forces=[[1.0, 0.0, 0.0]]), Frame(Atoms("H"))]
    >>> [(len(some), values.shape) for some, values in stacked(frames, "forces")]
    [(1, (1, 3))]
    """
    having = [frame for frame in frames if frame.has(name)]
    for first in range(0, len(having), _STACKED):
        some = having[first : first + _STACKED]
        yield some, np.concatenate([np.reshape(frame.label(name), (-1, *PROPERTIES[name].shape)) for frame in some])


def species_counts(frames: Sequence[Frame]) -> tuple[list[str], Float[np.ndarray, "frames species"]]:
    """The elements of some frames, and how many atoms of each a frame has.

    >>> species_counts([Frame(Atoms("H2O")), Frame(Atoms("H2"))])
    (['H', 'O'], array([[2., 1.],
           [2., 0.]]))
    """
    compositions = [frame.composition for frame in frames]
    symbols = {symbol for composition in set(compositions) for symbol in composition.counts}
    species = sorted(symbols, key=lambda symbol: atomic_numbers.get(symbol, 0))
    rows = {each: [each.counts.get(symbol, 0) for symbol in species] for each in set(compositions)}
    return species, np.array([rows[each] for each in compositions], dtype=float).reshape(len(frames), len(species))


def split_isolated(frames: Iterable[Frame], cutoff: float = 5.0) -> tuple[list[Frame], list[Frame]]:
    """The isolated atoms among `frames` (`Frame.is_isolated`), and the rest, each in order."""
    isolated: list[Frame] = []
    rest: list[Frame] = []
    for frame in frames:
        (isolated if frame.is_isolated(cutoff) else rest).append(frame)
    return isolated, rest
