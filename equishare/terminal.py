"""Output on terminals and pipes that do not know every sign."""

from __future__ import annotations

import codecs
import io
import os
import stat
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from typing_extensions import Buffer

_PLAIN = {
    "·": "*",
    "×": "x",
    "σ": "sigma",
    "µ": "u",
    "–": "-",
    "—": "-",
    "−": "-",
    "…": "...",
    "’": "'",
    "‘": "'",
    "“": '"',
    "”": '"',
}
_BOXES = str.maketrans(
    {**dict.fromkeys("─━", "-"), **dict.fromkeys("│┃╷╵", "|"), **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯", "+")}
)


def write_plainly() -> None:
    """Let standard output and error write a sign that their encoding lacks as what looks like it: Å as A, instead of failing."""
    codecs.register_error("equishare-plain", _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
            stream.reconfigure(errors="equishare-plain")


class _Pipe(io.FileIO):
    """A pipe that takes what is written though nobody reads it any more."""

    reader_left = False

    def write(self, data: Buffer) -> int:
        """Write, to nowhere once the reader has left."""
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            self.reader_left = True
            # whoever else writes there, libraries and programs that are started, is spared the signal
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return memoryview(data).nbytes


def outlive_reader() -> _Pipe | None:
    """Let standard output, where it is a pipe, lose its lines instead of failing when the reader leaves, as that of ``| head -1`` does.

    What a command computes is written to its files all the same. Returns the pipe; None where there is none.
    """
    stream = sys.stdout
    try:
        number = stream.fileno()
        mode = os.fstat(number).st_mode
    except (OSError, ValueError, AttributeError):  # closed, absent, or a stand-in without a file
        return None
    if not isinstance(stream, io.TextIOWrapper) or not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return None
    pipe = _Pipe(number, "w", closefd=False)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(pipe),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    return pipe


@contextmanager
def outliving_reader() -> Iterator[None]:
    """`outlive_reader` inside a ``with`` block that ends with `SystemExit`; its code is 1 where the reader left and all else went well."""
    before, pipe = sys.stdout, outlive_reader()
    try:
        yield
    except SystemExit as end:
        sys.stdout.flush()
        if pipe is not None and pipe.reader_left and not end.code:
            raise SystemExit(1) from None
        raise
    finally:
        if pipe is not None:
            sys.stdout.flush()
            sys.stdout = before


def new_console() -> Console:
    """Where a command prints: no text, of a user's file or otherwise, is taken for markup or a picture, or coloured by what it looks like.

    >>> new_console().print("c1cc[nH]c1.xyz")
    c1cc[nH]c1.xyz
    >>> new_console().print("a:fire:b.xyz")
    a:fire:b.xyz
    """
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False)


def plain(text: str) -> str:
    """Text in ASCII, each sign as what looks like it.

    >>> plain("12 meV/Å, 3 e·Å, Müller – 2σ")
    '12 meV/A, 3 e*A, Muller - 2sigma'
    """
    signs = []
    for sign in text:
        like = sign if sign.isascii() else _PLAIN.get(sign) or sign.translate(_BOXES)
        if not like.isascii():
            like = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode() or "?"
        signs.append(like)
    return "".join(signs)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return plain(error.object[error.start : error.end]), error.end
