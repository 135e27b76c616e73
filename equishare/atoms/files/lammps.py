"""LAMMPS' files, which say less than ASE's readers make of them."""

from __future__ import annotations

from collections.abc import Iterator

from ase import Atoms
from ase.io import iread
from ase.io.formats import open_with_compression

from equishare.atoms.source import FrameReadError

__all__ = ["read_binary_dump", "read_data", "read_dump"]

_ADVICE = "'dump ... custom ... id element x y z fx fy fz' and 'dump_modify ... element C H O'"


def read_dump(file: str, stop: int | None = None) -> Iterator[Atoms]:
    """Frames of a text dump, without the energy of zero that ASE's reader gives them.

    Raises:
        FrameReadError: the dump has types but no elements; ASE would take types for atomic numbers.
    """
    with open_with_compression(file, "rt") as stream:
        columns: list[str] = next((line.split()[2:] for line in stream if line.startswith("ITEM: ATOMS")), [])
    if columns and not {"element", "mass"} & set(columns):
        raise FrameReadError(
            f"{file}: the dump has the columns {' '.join(columns)}, which do not say the elements; write them with {_ADVICE}"
        )
    for atoms in iread(file, index=slice(0, stop), format="lammps-dump-text", do_not_split_by_at_sign=True):
        if atoms.calc is not None:
            atoms.calc.results.pop("energy", None)
        yield atoms


def read_binary_dump(file: str, stop: int | None = None) -> Iterator[Atoms]:
    """Refused: a binary dump has types, and no elements.

    Raises:
        FrameReadError: always.
    """
    raise FrameReadError(f"{file}: a binary dump does not say the elements; write a text dump with {_ADVICE}")


def read_data(file: str, stop: int | None = None) -> Iterator[Atoms]:
    """The structure of a data file, its elements by their masses.

    Raises:
        FrameReadError: there are no masses; ASE would take types for atomic numbers.
    """
    with open_with_compression(file, "rt") as stream:
        if not any(line.split("#")[0].strip() == "Masses" for line in stream):
            raise FrameReadError(
                f"{file}: a data file without masses does not say the elements; add the section 'Masses'"
            )
    yield from iread(file, index=slice(0, stop), format="lammps-data", do_not_split_by_at_sign=True)
