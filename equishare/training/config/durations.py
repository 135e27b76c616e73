"""Lengths of time as people write them: ``90s``, ``30m``, ``1h30m``; and short ones, ``50us``."""

import re

from equishare.errors import EquishareError

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(min|d|h|m|s)")
_SHORT = re.compile(r"(\d+(?:\.\d+)?)\s*(us|µs|ms|)")


class DurationError(EquishareError):
    """A text or number is not a length of time."""


def parse_duration(text: str | float) -> float:
    """Seconds from a text such as ``1h30m``; a plain number is already in seconds.

    Raises:
        DurationError: for anything else, and for zero or less.

    >>> parse_duration("1h30m"), parse_duration("90s"), parse_duration(12.5)
    (5400.0, 90.0, 12.5)
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        seconds = float(text)
    else:
        cleaned = str(text).strip().lower()
        if not _PART.sub("", cleaned).strip() and cleaned:
            seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(cleaned))
        else:
            raise DurationError(f"expected a length of time such as 90s, 30m or 1h30m, got {text!r}")
    if not 0 < seconds < float("inf"):
        raise DurationError(f"expected a length of time above zero, got {text!r}")
    return seconds


def format_duration(seconds: float) -> str:
    """A short text that `parse_duration` reads back, to the second (to 1/100 s below a minute).

    >>> format_duration(5400), format_duration(90), format_duration(0.5)
    ('1h30m', '1m30s', '0.5s')
    """
    if seconds < 59.995:
        return f"{round(seconds, 2):g}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return "".join(f"{value}{unit}" for value, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if value)


def parse_microseconds(text: str | float) -> float:
    """Microseconds from a text such as ``50us`` or ``0.05ms``; a plain number is already in microseconds.

    Raises:
        DurationError: for anything else, and for zero or less.

    >>> parse_microseconds("50us"), parse_microseconds("0.05 ms"), parse_microseconds(50)
    (50.0, 50.0, 50.0)
    """
    parts = _SHORT.fullmatch(str(text).strip())
    value = float(parts[1]) * (1000.0 if parts[2] == "ms" else 1.0) if parts else 0.0
    if not 0 < value < float("inf"):
        raise DurationError(f"expected a time such as 50us or 0.05ms, above zero, got {text!r}")
    return value
