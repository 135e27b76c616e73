"""Public names that were renamed: the old ones work for one more minor version, and say what to write instead."""

import warnings
from importlib import import_module
from typing import Any, NamedTuple


class Renamed(NamedTuple):
    """Where a name has gone, and the version that no longer knows the old one."""

    new: str
    removed_in: str


RENAMED = {
    "equishare.nn.EquivariantLayer": Renamed("equishare.nn.FieldLayer", removed_in="0.3"),
    "equishare.check.Finding": Renamed("equishare.check.SymmetryTest", removed_in="0.3"),
}


def renamed(module: str, name: str) -> Any:
    """What an old name of a module stands for, with a `DeprecationWarning`; a module's ``__getattr__`` calls it last.

    Raises:
        AttributeError: the module never had a name like that.

    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     renamed("equishare.nn", "EquivariantLayer").__name__
    'FieldLayer'
    >>> print(caught[0].message)
    equishare.nn.EquivariantLayer is equishare.nn.FieldLayer now; the old name goes in equishare 0.3
    """
    old = f"{module}.{name}"
    if old not in RENAMED:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    new, removed_in = RENAMED[old]
    message = f"{old} is {new} now; the old name goes in equishare {removed_in}"
    warnings.warn(message, DeprecationWarning, stacklevel=3)
    home, _, attribute = new.rpartition(".")
    return getattr(import_module(home), attribute)
