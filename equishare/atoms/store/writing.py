"""Frames of files, converted to a store on disk: piece after piece, so that a conversion that was stopped goes on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms

from equishare.atoms.frame import Frame
from equishare.atoms.geometries import N_MEASURES, REACH, geometries
from equishare.atoms.labels import LabelReader
from equishare.atoms.neighbours import GraphError
from equishare.atoms.properties import PROPERTIES
from equishare.atoms.reading import stream_source
from equishare.atoms.source import FrameReadError
from equishare.atoms.store.columns import ColumnWriter
from equishare.atoms.store.tables import HEADER, KINDS, Header, Kind, read_kinds
from equishare.files import write_text

PIECE = 1000
"""Frames between two moments from which a conversion can go on."""
_MOST = np.iinfo(np.uint16).max
Item = tuple[str, int, Atoms]

# name, type and shape of a row; one row a frame, an atom, a pair, or a pair of a periodic frame
FRAME_COLUMNS = {"cells": ("f8", (3, 3)), "weights": ("f8", ()), "indices": ("i8", ()), "kinds": ("i4", ()),
                 "sizes": ("i4", ()), "pairs": ("i4", ()), "measures": ("f8", (N_MEASURES,))}  # fmt: skip
ATOM_COLUMNS = {"numbers": ("i2", ()), "positions": ("f8", (3,)), "degrees": ("u2", ()), "surroundings": ("f4", (2,))}
# pairs up to `REACH`, as far as the checks look; those within a shorter cutoff are among them
PAIR_COLUMNS = {"senders": ("u2", ())}
SHIFT_COLUMNS = {"shifts": ("i1", (3,))}


def convert(
    sources: Sequence[str | os.PathLike[str]],
    keys: Mapping[str, str],
    folder: Path,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write the frames of files into a store, in their order; what an earlier call has done of it is kept.

    Positions, cells and labels stay what they are to the last bit. Of what else a file says (``info``, ``arrays``) only ``config_type`` is kept.

    Args:
        sources: As `equishare.atoms.read_frames` takes them; a slice goes forward.
        keys: Names in the files of properties that are not to be found by themselves.
        folder: Of the store; made where it is not there.
        progress: Told the number of frames that are in the store.

    Raises:
        FrameReadError: as `equishare.atoms.read_frames`.
        LabelError: as `equishare.atoms.read_frames`; an absent name is known at the end only.
        OSError: if a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    header = Header.of(sources, keys)
    if (folder / HEADER).exists():
        before = Header.read(folder)
        if before.has_origin_of(header):
            header = before
    writer = StoreWriter(folder, header)
    try:
        reader = LabelReader(keys, seen=writer.seen_keys())
        for frames in _pieces(_frames([name for name, *_ in header.sources], header.counts), reader):
            writer.append(frames)
            if progress is not None:
                progress(header.frames)
        reader.finish()
        header.complete = True
        header.write(folder)
    finally:
        writer.close()


def _frames(sources: Sequence[str], counts: list[int]) -> Iterator[Item]:
    """File, number and structure of the frames of all sources, but for those that are counted; the rest is counted as it comes."""
    for number, source in enumerate(sources):
        if any(counts[number + 1 :]):
            continue  # the frames of a later one are there, so this one is complete
        for item in stream_source(source, skip=counts[number]):
            counts[number] += 1
            yield item
        if not counts[number]:
            raise FrameReadError(f"{source}: the slice selects no frame")


def _pieces(items: Iterator[Item], reader: LabelReader) -> Iterator[list[Frame]]:
    """Frames with their labels, `PIECE` at a time."""
    piece: list[Item] = []
    for item in items:
        piece.append(item)
        if len(piece) == PIECE:
            yield _labelled(piece, reader)
            piece = []
    if piece:
        yield _labelled(piece, reader)


def _labelled(piece: Sequence[Item], reader: LabelReader) -> list[Frame]:
    said = reader.read([atoms for _, _, atoms in piece], [f"{file}@{index}" for file, index, _ in piece])
    frames = []
    for (file, index, atoms), labels in zip(piece, said, strict=True):
        atoms.calc = None
        frames.append(Frame(atoms, file=file, index=index, **labels))
    return frames


class StoreWriter:
    """Appends frames to a store.

    Args:
        folder: Of the store.
        header: What is there already; kept up to date.
    """

    def __init__(self, folder: Path, header: Header) -> None:
        self.folder, self.header = folder, header
        counted = ((FRAME_COLUMNS, header.frames), (ATOM_COLUMNS, header.atoms), (PAIR_COLUMNS, header.pairs),
                   (SHIFT_COLUMNS, header.shifts))  # fmt: skip
        self._columns = {
            name: ColumnWriter(folder / f"{name}.npy", *what, rows=rows)
            for columns, rows in counted
            for name, what in columns.items()
        }
        for name in header.labels:
            self._columns[f"label_{name}"] = self._label_column(name, self._rows(name))
        self._kinds = (
            {kind.line(): number for number, kind in enumerate(read_kinds(folder, header.kinds))}
            if header.kinds
            else {}
        )
        write_text(folder / KINDS, "".join(f"{line}\n" for line in self._kinds))
        self._kinds_file = (folder / KINDS).open("a", encoding="utf-8")

    def seen_keys(self) -> set[str]:
        """Names that were given and have been met in the frames that are there."""
        kinds = [Kind.parse(line) for line in self._kinds]
        return {name for name, key in self.header.keys.items() if any(key in kind.columns for kind in kinds)}

    def append(self, frames: Sequence[Frame]) -> None:
        """Write frames after the others, and make sure that they are found again."""
        header, digest = self.header, hashlib.sha256(self.header.digest.encode())
        for name in sorted({name for frame in frames for name in frame.labels} - set(header.labels)):
            self._columns[f"label_{name}"] = column = self._label_column(name, 0)
            column.append(np.full((self._rows(name), *column.tail), np.nan))
            header.labels.append(name)
        for name, rows in self._values(frames).items():
            digest.update(self._columns[name].append(rows))
        for name in header.labels:
            values = [self._label(frame, name) for frame in frames]
            digest.update(self._columns[f"label_{name}"].append(np.concatenate(values)))
        digest.update("\n".join(list(self._kinds)[header.kinds :]).encode())
        for column in self._columns.values():
            column.commit()
        self._kinds_file.flush()
        header.frames, header.atoms = self._columns["sizes"].rows, self._columns["numbers"].rows
        header.pairs, header.shifts = self._columns["senders"].rows, self._columns["shifts"].rows
        header.kinds, header.digest = len(self._kinds), digest.hexdigest()
        header.write(self.folder)

    def close(self) -> None:
        """Close the files."""
        for column in self._columns.values():
            column.close()
        self._kinds_file.close()

    def _values(self, frames: Sequence[Frame]) -> dict[str, np.ndarray]:
        pairs, measured = [_pairs(frame) for frame in frames], geometries(frames)
        return {
            "cells": np.array([frame.atoms.cell.array for frame in frames]),
            "weights": np.array([frame.weight for frame in frames]),
            "indices": np.array([frame.index for frame in frames]),
            "kinds": np.array([self._kind(frame) for frame in frames]),
            "sizes": np.array([len(frame.atoms) for frame in frames]),
            "pairs": np.array([count for count, _, _, _ in pairs]),
            "measures": measured.rows,
            "numbers": np.concatenate([frame.atoms.numbers for frame in frames]),
            "positions": np.concatenate([frame.atoms.positions for frame in frames]),
            "degrees": np.concatenate([degrees for _, degrees, _, _ in pairs]),
            "surroundings": measured.atoms,
            "senders": np.concatenate([senders for _, _, senders, _ in pairs]),
            "shifts": np.concatenate([shifts for _, _, _, shifts in pairs]),
        }

    def _kind(self, frame: Frame) -> int:
        line = Kind.of(frame).line()
        if line not in self._kinds:
            self._kinds[line] = len(self._kinds)
            self._kinds_file.write(f"{line}\n")
        return self._kinds[line]

    def _label(self, frame: Frame, name: str) -> np.ndarray:
        row, value = PROPERTIES[name], frame.label(name)
        shape = (len(frame.atoms) if row.per_atom else 1, *row.shape)
        return np.full(shape, np.nan) if value is None else np.reshape(value, shape)

    def _label_column(self, name: str, rows: int) -> ColumnWriter:
        return ColumnWriter(self.folder / f"label_{name}.npy", "f8", PROPERTIES[name].shape, rows=rows)

    def _rows(self, name: str) -> int:
        return self.header.atoms if PROPERTIES[name].per_atom else self.header.frames


def _pairs(frame: Frame) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Number of pairs, how many each atom receives, their senders and shifts; -1 where they cannot be kept, and are searched again."""
    n_atoms = len(frame.atoms)
    none = -1, np.zeros(n_atoms, np.uint16), np.zeros(0, np.uint16), np.zeros((0, 3), np.int8)
    try:
        found = frame.neighbours(REACH)
    except GraphError:
        return none
    degrees = np.bincount(found.receiver, minlength=n_atoms)
    if n_atoms > _MOST or degrees.max(initial=0) > _MOST or np.abs(found.shift).max(initial=0) > 127:
        return none
    shifts = found.shift if frame.atoms.pbc.any() else found.shift[:0]
    return len(found.sender), degrees.astype(np.uint16), found.sender.astype(np.uint16), shifts.astype(np.int8)
