"""Structures to check a calculator on."""

from pathlib import Path
from typing import Any

from equishare.check.errors import TargetError


def read_frame(name: str) -> Any:
    """Read a frame of a file, the last one unless the name ends in @number.

    Raises:
        TargetError: there is no such file, or ASE cannot read it.
    """
    from ase.io import read

    path, _, index = (name, "", "") if Path(name).is_file() else name.rpartition("@")
    if not Path(path or name).is_file():
        raise TargetError(f"there is no file {path or name}")
    try:
        return read(path or name, index=int(index or -1))
    except (StopIteration, IndexError) as error:
        raise TargetError(f"{path or name} has no frame {index or -1}") from error
    except Exception as error:
        raise TargetError(f"ASE cannot read {name}: {type(error).__name__}: {error}") from error
