"""Output on terminals and pipes that do not know every sign."""

from __future__ import annotations

import codecs
import io
import sys
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

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


def new_console() -> Console:
    """Where a command prints: no text, of a user's file or otherwise, is taken for markup or coloured by what it looks like.

    >>> new_console().print("c1cc[nH]c1.xyz")
    c1cc[nH]c1.xyz
    """
    from rich.console import Console

    return Console(markup=False, highlight=False)


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
