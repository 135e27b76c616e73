"""Whether what is there is what is asked for, so that it may go on: a training run, a campaign, dynamics, a store of frames."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from equishare.errors import EquishareError


def differences(stored: Mapping[str, Any], asked: Mapping[str, Any], free: Collection[str] = ()) -> list[str]:
    """In words, where what is asked for differs from what is stored, but for the names that may be new.

    >>> differences({"seed": 0, "device": "cpu"}, {"seed": 1, "device": "cuda"}, free=["device"])
    ['seed was 0, is now 1']
    """
    return [
        f"{name} was {stored.get(name)}, is now {value}"
        for name, value in asked.items()
        if name not in free and stored.get(name) != value
    ]


def check_same(
    what: str,
    stored: Mapping[str, Any],
    asked: Mapping[str, Any],
    free: Collection[str] = (),
    error: type[EquishareError] = EquishareError,
) -> None:
    """See that what goes on is what is asked for.

    Raises:
        EquishareError: the `error` given, where anything differs but for the names that may be new.

    >>> check_same("the run in runs/1", {"temperature": 300}, {"temperature": 400})
    Traceback (most recent call last):
    equishare.errors.EquishareError: the run in runs/1 is not this one: temperature was 300, is now 400; put that back as it was, or start anew in another folder
    """
    if found := differences(stored, asked, free):
        raise error(
            f"{what} is not this one: {'; '.join(found)}; put that back as it was, or start anew in another folder"
        )


def check_new_settings(
    what: str, given: Iterable[str], free: Collection[str], error: type[EquishareError] = EquishareError
) -> None:
    """See that what goes on is given no settings but those that may be new: the others are its own.

    Raises:
        EquishareError: the `error` given, for any other.

    >>> check_new_settings("a run", ["seed", "max_time"], free=["max_time"])
    Traceback (most recent call last):
    equishare.errors.EquishareError: a run goes on with its own settings; leave out seed
    """
    if fixed := [name for name in given if name not in free]:
        raise error(f"{what} goes on with its own settings; leave out {', '.join(fixed)}")
