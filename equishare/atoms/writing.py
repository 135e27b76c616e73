"""Structures written to extended XYZ, whole or not at all."""

import os
from collections.abc import Sequence

import ase.io
from ase import Atoms

from equishare.files import replacing


def write_xyz(path: str | os.PathLike[str], images: Atoms | Sequence[Atoms]) -> None:
    """Write one structure or several with what their ``info``, ``arrays`` and calculators hold; of none an empty file.

    Raises:
        OSError: if the file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_xyz(f"{folder}/water.xyz", Atoms("H2O"))
    ...     len(ase.io.read(f"{folder}/water.xyz"))
    3
    """
    with replacing(path) as beside:
        beside.touch()  # of none ASE makes no file
        if len(images):
            ase.io.write(beside, images, format="extxyz")
