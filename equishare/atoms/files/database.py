"""ASE's databases, with the data that SchNetPack and others keep beside the rows."""

from __future__ import annotations

from collections.abc import Iterator

from ase import Atoms
from ase.db import connect

from equishare.atoms.files.units import factor

__all__ = ["read_database"]


def read_database(file: str, stop: int | None = None) -> Iterator[Atoms]:
    """Rows of an ASE database; key-value pairs and data go to ``info``, in the units that SchNetPack's metadata name."""
    with connect(file, use_lock_file=False) as database:
        metadata = database.metadata
        units = metadata.get("_property_unit_dict", {})
        length = factor(metadata["_distance_unit"], file) if "_distance_unit" in metadata else 1.0
        for row in database.select(limit=stop):
            atoms = row.toatoms()
            atoms.positions *= length
            atoms.set_cell(atoms.cell[:] * length)
            # a pair called charge or mass is hidden by what the row computes of the atoms
            atoms.info.update({key: vars(row).get(key, value) for key, value in row.key_value_pairs.items()})
            for name, value in row.data.items():
                if units.get(name):
                    value = value * factor(units[name], file)
                atoms.info[name] = value
            yield atoms
