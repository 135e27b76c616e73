"""Structures to check a calculator on."""

import importlib
from pathlib import Path
from typing import Any

from equishare.check.errors import TargetError
from equishare.errors import EquishareError


def read_frame(name: str) -> Any:
    """Read a frame of a file or of a bundled data set: the last one unless the name ends in @number.

    Raises:
        TargetError: there is no such file, or ASE cannot read it.
    """
    from ase.io import read

    # by name at call time: the checker stands beside the readers of frames and is not built on them
    try:
        source = importlib.import_module("equishare.atoms.source").Source.of(name)
    except EquishareError as error:
        raise TargetError(str(error)) from error
    if not Path(source.file).is_file():
        raise TargetError(f"there is no file {source.file}")
    whole = source.selection == slice(None)
    try:
        index = slice(-1, None) if whole else source.selection
        frames = read(source.file, index=index, do_not_split_by_at_sign=True)
    except Exception as error:
        raise TargetError(f"ASE cannot read {name}: {type(error).__name__}: {error}") from error
    if not frames:
        raise TargetError(f"{source.file} has no frame {name.rpartition('@')[2] if not whole else -1}")
    return frames[-1]
