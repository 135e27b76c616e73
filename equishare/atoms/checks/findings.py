"""What an inspection has to say about the data, one matter at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

__all__ = ["DataFinding", "Level", "Remark"]

Level = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class DataFinding:
    """One matter: how grave, a short code, what was found, what to do, and the frames concerned.

    >>> DataFinding("warning", "duplicates", "two are the same", "remove one", ("a.xyz@1", "a.xyz@7")).level
    'warning'
    """

    level: Level
    code: str
    message: str
    advice: str = ""
    frames: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The finding in plain types, for JSON."""
        return {
            "level": self.level,
            "code": self.code,
            "message": self.message,
            "advice": self.advice,
            "frames": list(self.frames),
        }


class Remark(NamedTuple):
    """What the reader of a frame has to say: how grave, what it did, what to do if that was wrong."""

    level: Level
    text: str
    advice: str = ""
