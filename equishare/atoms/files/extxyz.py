"""Extended XYZ, walked through before ASE reads it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from ase.data import chemical_symbols
from ase.io.formats import open_with_compression

from equishare.atoms.files.formats import reason
from equishare.atoms.source import FrameReadError

__all__ = ["checked_texts"]

_AT_ONCE = 500
"""Frames of a text that is parsed in one go."""

_FORTRAN = re.compile(r"(?<=[\d.])[dD](?=[+-]?\d+(\s|$))")
_SIX = re.compile(r"""(?<!\S)(stress|virial)=(["'{\[])\s*([^"'}\]]*?)\s*(["'}\]])""")
_VECTOR = "VEC"
_NUMBER = re.compile(r"\s*\d{1,3}(?=\s)")


def checked_texts(file: str, stop: int | None, start: int = 0) -> Iterator[io.StringIO]:
    """The text of an extended XYZ file from a frame up to another, some frames at a time, in the form that ASE reads.

    A mark of the byte order is dropped, exponents of Fortran (1.0D-3) become those of everyone, atomic numbers become symbols.
    ASE would stop in silence at a blank line and lose what follows, so that a break is found here, and named by frame and line.

    Raises:
        FrameReadError: the text is not in UTF-8, or a frame is broken.
    """
    gathered: list[str] = []
    frame = -1
    for piece in _pieces(_lines(file), file, stop):
        if not piece.startswith(_VECTOR):
            frame += 1
            if len(gathered) >= _AT_ONCE:
                yield io.StringIO("".join(gathered))
                gathered = []
        if frame >= start:
            gathered.append(piece)
    if gathered:
        yield io.StringIO("".join(gathered))


def _lines(file: str) -> Iterator[tuple[int, str]]:
    """Number and text of each line."""
    number = 0
    try:
        with open_with_compression(file, "rb") as stream:
            for number, line in enumerate(stream, start=1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        wrong = error.object[error.start : error.start + 1].hex()
        raise FrameReadError(
            f"{file}: line {number} is not UTF-8 (byte 0x{wrong}), expected the text of an extended XYZ file; if it is in Latin-1, "
            f"convert it: iconv -f latin1 -t utf-8 FILE > NEW"
        ) from error
    except (EOFError, OSError) as error:
        raise FrameReadError(f"{file}: expected the text of an extended XYZ file: {reason(error)}") from error


def _pieces(lines: Iterator[tuple[int, str]], file: str, stop: int | None) -> Iterator[str]:
    """The text of each frame, and the lines with cell vectors that may follow it."""
    frame = 0
    blank = None
    for number, line in lines:
        if frame == stop:
            return
        if not line.strip():
            blank = blank or number
            continue
        if line.startswith(_VECTOR):
            yield line
            continue
        if blank:
            raise FrameReadError(f"{file}: line {blank} is blank, between frames {frame - 1} and {frame}; remove it")
        try:
            atoms = int(line)
        except ValueError:
            raise FrameReadError(
                f"{file}: line {number} should open frame {frame} with its number of atoms, but "
                f"reads {line.strip()[:40]!r}; is the frame before it complete?"
            ) from None
        if atoms < 1:
            raise FrameReadError(f"{file}: frame {frame} (line {number}) says {atoms} atoms; expected 1 or more")
        yield line + "".join(_atoms(lines, atoms, (file, frame, number)))
        frame += 1


def _atoms(lines: Iterator[tuple[int, str]], atoms: int, place: tuple[str, int, int]) -> Iterator[str]:
    """The comment and the atoms of a frame."""
    species_first = True
    for count in range(atoms + 1):
        _, line = next(lines, (0, ""))
        if not line or (count and not line.strip()):
            file, frame, opened = place
            raise FrameReadError(
                f"{file}: frame {frame} (line {opened}) says {atoms} atoms, but ends after {max(count - 1, 0)}; "
                f"the file is cut short{f': remove that frame or read {file}@:{frame}' if frame else ''}"
            )
        if count == 0:
            species_first = "Properties=" not in line or "Properties=species:S:1:" in line
            yield _SIX.sub(_nine, line)
            continue
        if "D" in line or "d" in line:
            line = _FORTRAN.sub("e", line)
        if species_first and (symbol := _NUMBER.match(line)) and 0 < (z := int(symbol.group())) < len(chemical_symbols):
            line = chemical_symbols[z] + line[symbol.end() :]
        yield line if line.endswith("\n") else line + "\n"


def _nine(match: re.Match[str]) -> str:
    """A stress or virial of six numbers (xx, yy, zz, yz, xz, xy) in full: ASE takes no other under these names."""
    numbers = match.group(3).replace(",", " ").split()
    if len(numbers) != 6:
        return match.group()
    xx, yy, zz, yz, xz, xy = numbers
    return f'{match.group(1)}="{xx} {xy} {xz} {xy} {yy} {yz} {xz} {yz} {zz}"'
