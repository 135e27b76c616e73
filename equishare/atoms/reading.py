"""Labelled frames from any file that ASE reads, in eV, Å, eV/Å, eV/Å^3 (ASE's sign) and e·Å."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice, pairwise

from ase import Atoms
from ase.io import iread

from equishare.atoms.files.cp2k import read_output, read_trajectory
from equishare.atoms.files.database import read_database
from equishare.atoms.files.deepmd import read_deepmd
from equishare.atoms.files.extxyz import checked_texts
from equishare.atoms.files.formats import checked_format, reason
from equishare.atoms.files.lammps import read_binary_dump, read_data, read_dump
from equishare.atoms.files.molecules import read_gaussian, read_orca
from equishare.atoms.files.npz import read_npz
from equishare.atoms.files.vasp import read_outcar, read_vasprun
from equishare.atoms.frame import Frame
from equishare.atoms.labels import read_conditions, read_labels
from equishare.atoms.source import FrameReadError, Source

__all__ = ["frames_of", "read_frames", "read_structures", "read_unlabelled"]

Path = str | os.PathLike[str]


def read_frames(sources: Path | Sequence[Path], keys: Mapping[str, str] | None = None) -> list[Frame]:
    """All frames of one file or several; ``file.xyz@:100`` takes a slice, ``file.xyz@-1`` one frame.

    Labels and conditions are found in each frame under the usual names of the table of properties.

    Args:
        sources: Paths, or names of bundled data sets, each with an optional ``@slice``; any format that ASE reads, compressed or not, the
            ``.npz`` of MD17 and sGDML, and folders of DeePMD-kit.
        keys: Names in the files of properties that are not to be found by themselves: ``{"energy": "REF_energy"}``. A stress whose
            name contains 'virial' is converted, stress = -virial / volume.

    Raises:
        FrameReadError: a file is absent, empty, cut short, garbled, of no known format or a pickle; a slice
            is none or selects nothing. Nothing is ever unpickled.
        LabelError: a key that was given is in no frame, several differ, or a label has the wrong shape.

    >>> frames = read_frames("ethanol@3:5")
    >>> [frame.name for frame in frames], frames[0].forces.shape
    (['ethanol.xyz@3', 'ethanol.xyz@4'], (9, 3))
    """
    if isinstance(sources, (str, os.PathLike)):
        sources = [sources]
    if not sources:
        raise FrameReadError("expected at least one file of frames, got none; name a file, e.g. frames.xyz")
    read = [item for source in sources for item in _read_source(source)]
    said = read_labels([atoms for _, _, atoms in read], [f"{f}@{i}" for f, i, _ in read], keys or {})
    frames = []
    for (file, index, atoms), labels in zip(read, said, strict=True):
        atoms.calc = None
        frames.append(Frame(atoms, file=file, index=index, **labels))
    return frames


def frames_of(images: Sequence[Atoms], keys: Mapping[str, str] | None = None) -> list[Frame]:
    """Frames of structures in memory, whose labels are in their calculators' results, ``info`` and ``arrays``; of copies.

    Raises:
        LabelError: as `read_frames`.

    >>> from equishare.datasets import load
    >>> frames_of(load("ethanol")[3:5])[1].forces.shape
    (9, 3)
    """
    said = read_labels(images, [f"@{index}" for index in range(len(images))], keys or {})
    pairs = enumerate(zip(images, said, strict=True))
    return [Frame(atoms.copy(), index=index, **labels) for index, (atoms, labels) in pairs]


def read_structures(source: Path) -> list[Atoms]:
    """The structures of one source, as `read_frames` reads them, without a look at their labels.

    Raises:
        FrameReadError: as `read_frames`.
    """
    return [frame.atoms for frame in read_unlabelled([source])]


def read_unlabelled(sources: Sequence[Path]) -> list[Frame]:
    """The frames of sources, as `read_frames` reads them, with their conditions, without a look at their labels.

    Raises:
        FrameReadError: as `read_frames`.
    """
    read = [item for source in sources for item in _read_source(source)]
    said = read_conditions([atoms for _, _, atoms in read], [f"{file}@{index}" for file, index, _ in read])
    return [
        Frame(atoms, conditions=found, file=file, index=index)
        for (file, index, atoms), found in zip(read, said, strict=True)
    ]


# what ASE has no reader for, or one that says less or more than the file does
_READERS: dict[str, Callable[[str, int | None], Iterator[Atoms]]] = {
    "cp2k-output": read_output,
    "cp2k-trajectory": read_trajectory,
    "db": read_database,
    "deepmd": read_deepmd,
    "lammps-data": read_data,
    "lammps-dump-binary": read_binary_dump,
    "lammps-dump-text": read_dump,
    "gaussian-out": read_gaussian,
    "npz": read_npz,
    "orca-output": read_orca,
    "vasp-out": read_outcar,
    "vasp-xml": read_vasprun,
}


def _read_source(given: Path) -> Iterator[tuple[str, int, Atoms]]:
    source = Source.of(given)
    images = list(_all_images(source))
    yield from ((source.file, index, images[index]) for index in source.indices(len(images)))


def stream_source(given: Path, skip: int = 0) -> Iterator[tuple[str, int, Atoms]]:
    """File, number and structure of the frames of one source, one after the other, without the first few of them.

    Raises:
        FrameReadError: as `read_frames`.
    """
    source = Source.of(given)
    selection = source.selection
    if (selection.start or 0) < 0 or (selection.stop or 0) < 0 or (selection.step or 1) < 0:
        # counted from the end
        indices = list(source.indices(sum(1 for _ in _all_images(source))))[skip:]
        if any(later < earlier for earlier, later in pairwise(indices)):
            raise FrameReadError(
                f"{source.text}: frames that do not fit into memory are read forward only, got a slice that goes back"
            )
        wanted: Iterator[int] = iter(indices)
    else:
        step = selection.step or 1
        start = (selection.start or 0) + skip * step
        wanted = iter(range(start, sys.maxsize if selection.stop is None else selection.stop, step))
    first = following = next(wanted, None)
    if first is None:
        return
    for index, atoms in enumerate(_all_images(source, first), start=first):
        if index == following:
            yield source.file, index, atoms
            following = next(wanted, None)
            if following is None:
                return


def _all_images(source: Source, start: int = 0) -> Iterator[Atoms]:
    """The structures of a file from a number on."""
    file_format = checked_format(source.file)
    number = start
    try:
        for atoms in _images(source.file, file_format, source.stop, start):
            yield atoms
            number += 1
    except FrameReadError:
        raise
    except Exception as error:  # ASE's readers raise whatever their parsing meets
        before = f", or read the frames before it with {source.file}@:{number}" if number else ""
        raise FrameReadError(
            f"{source.file}: frame {number} cannot be read as {file_format}: {reason(error)}; mend or remove it{before}"
        ) from error
    if not number:
        raise FrameReadError(
            f"{source.file}: expected frames in the format {file_format}, as its name or its beginning says, found none; "
            "another program's output? write its frames as extended XYZ, with ase, cclib or dpdata"
        )


def _images(file: str, file_format: str, stop: int | None, start: int) -> Iterator[Atoms]:
    if file_format == "extxyz":
        texts = checked_texts(file, stop, start)
        return chain.from_iterable(iread(text, index=slice(0, None), format="extxyz") for text in texts)
    if file_format in _READERS:
        return islice(_READERS[file_format](file, stop), start, None)
    images = iread(file, index=slice(0, stop), format=file_format, do_not_split_by_at_sign=True)
    return islice(images, start, None)
