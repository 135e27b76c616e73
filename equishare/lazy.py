"""Packages whose names load on first use, so that a command pays for what it needs alone."""

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

from equishare.renamed import renamed


def lazy(package: str, homes: Mapping[str, Iterable[str]]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of a package: a name's module is imported when the name is first asked for.

    Args:
        package: Its name.
        homes: Modules of the package, each with the names that live in it.

    >>> get, _ = lazy("equishare.training", {"soap": ["SOAP"]})
    >>> get("SOAP").__module__
    'equishare.training.soap'
    >>> get("soup")
    Traceback (most recent call last):
    AttributeError: module 'equishare.training' has no attribute 'soup'
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def get(name: str) -> Any:
        if name not in home_of:
            return renamed(package, name)
        value = getattr(import_module(f"{package}.{home_of[name]}"), name)
        setattr(sys.modules[package], name, value)  # a submodule of the same name would hide it
        return value

    return get, lambda: sorted(sys.modules[package].__all__)
