"""Outputs of Gaussian and ORCA as ASE reads them, with charge and multiplicity, without dipoles that are turned away."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ase import Atoms
from ase.io import iread
from ase.io.formats import open_with_compression

from equishare.atoms.labels import READER

__all__ = ["read_gaussian", "read_orca"]

_GAUSSIAN = re.compile(r"Charge\s*=\s*(-?\d+)\s+Multiplicity\s*=\s*(\d+)")
_ORCA = re.compile(r"Total Charge\s+Charge\s+\.+\s+(-?\d+)\s+Multiplicity\s+Mult\s+\.+\s+(\d+)")


def read_gaussian(file: str, stop: int | None = None) -> Iterator[Atoms]:
    """Frames of a log; the dipole is left out where it is given in another orientation than positions and forces.

    Gaussian turns a molecule into its standard orientation, prints the dipole there, and forces in the input's.
    """
    with open_with_compression(file, "rt") as stream:
        text = stream.read()
    turned = "Standard orientation:" in text
    for atoms in _with_state(file, stop, "gaussian-out", _GAUSSIAN.search(text)):
        results = atoms.calc.results if atoms.calc is not None else {}
        if turned and results.pop("dipole", None) is not None:
            atoms.info[READER] = (
                "its dipole is left out: Gaussian gives it in the standard orientation; run with NoSymm to have it"
            )
        if len(results.get("charges", ())) != len(atoms):
            results.pop("charges", None)  # those with hydrogens summed into heavy atoms
        yield atoms


def read_orca(file: str, stop: int | None = None) -> Iterator[Atoms]:
    """Frames of an output, with charge and multiplicity."""
    with open_with_compression(file, "rt") as stream:
        state = _ORCA.search(stream.read())
    yield from _with_state(file, stop, "orca-output", state)


def _with_state(file: str, stop: int | None, file_format: str, state: re.Match[str] | None) -> Iterator[Atoms]:
    for atoms in iread(file, index=slice(0, stop), format=file_format, do_not_split_by_at_sign=True):
        if state is not None:
            atoms.info["charge"], atoms.info["multiplicity"] = int(state.group(1)), int(state.group(2))
        yield atoms
