"""Small data sets that travel with the package: made with GFN2-xTB by `equishare.datasets.generate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from equishare.errors import EquishareError

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["DatasetNameError", "load", "names", "path"]

_FOLDER = Path(__file__).parent


class DatasetNameError(EquishareError):
    """A data set was asked for that is not bundled."""


def names() -> list[str]:
    """Names of the bundled data sets, sorted.

    >>> names()
    ['dry_ice', 'dry_ice_test', 'ethanol', 'ethanol_test', 'ions', 'ions_test']
    """
    return sorted(file.stem for file in _FOLDER.glob("*.xyz"))


def path(name: str) -> Path:
    """The extended XYZ file of the data set `name`, in eV and Å.

    Raises:
        DatasetNameError: no such data set is bundled.

    >>> path("ethanol").name
    'ethanol.xyz'
    """
    if name not in names():
        raise DatasetNameError(f"expected a bundled data set, one of {', '.join(names())}; got {name!r}")
    return _FOLDER / f"{name}.xyz"


def load(name: str) -> list[Atoms]:
    """All frames of the data set `name`, isolated atoms first, labels in ASE's single-point calculators.

    Raises:
        DatasetNameError: no such data set is bundled.

    >>> frames = load("ethanol_test")
    >>> frames[0].get_forces().shape
    (9, 3)
    """
    from ase.io import iread

    return list(iread(path(name), index=":"))
