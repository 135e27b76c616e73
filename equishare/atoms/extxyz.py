"""Extended XYZ, walked through before ASE reads it."""

from __future__ import annotations

from ase.io.formats import open_with_compression

from equishare.atoms.formats import reason
from equishare.atoms.source import FrameReadError

__all__ = ["check_extxyz"]


def check_extxyz(file: str, stop: int | None) -> None:
    """Walk the frames of an extended XYZ file, so that a break is named by frame and line.

    ASE stops in silence at a blank line and would lose what follows.
    """
    number = frame = 0
    blank = None
    try:
        with open_with_compression(file, "rt") as stream:
            for line in stream:
                number += 1
                if frame == stop:
                    return
                if not line.strip():
                    blank = blank or number
                    continue
                if line.startswith("VEC"):
                    continue
                if blank:
                    raise FrameReadError(
                        f"{file}: line {blank} is blank, between frames {frame - 1} and {frame}; remove it"
                    )
                try:
                    atoms = int(line)
                except ValueError:
                    raise FrameReadError(
                        f"{file}: line {number} should open frame {frame} with its number of atoms, but "
                        f"reads {line.strip()[:40]!r}; is the frame before it complete?"
                    ) from None
                if atoms < 1:
                    raise FrameReadError(
                        f"{file}: frame {frame} (line {number}) says {atoms} atoms; expected 1 or more"
                    )
                opened = number
                for count in range(atoms + 1):
                    line = stream.readline()
                    number += 1
                    if not line or (count and not line.strip()):
                        raise FrameReadError(
                            f"{file}: frame {frame} (line {opened}) says {atoms} atoms, but ends after "
                            f"{max(count - 1, 0)}; the file is cut short: remove that frame "
                            f"or read {file}@:{frame}"
                        )
                frame += 1
    except (UnicodeDecodeError, EOFError, OSError) as error:
        raise FrameReadError(f"{file}: expected the text of an extended XYZ file: {reason(error)}") from error
