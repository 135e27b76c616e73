"""Model files of earlier formats, brought to the present one: a step a format, and no format is ever dropped."""

import re
from collections.abc import Callable
from typing import Any

from torch import Tensor

Header = dict[str, Any]
Weights = dict[str, Tensor]

FORMAT = 3
_NAME = "equishare-potential-"


def format_name(number: int) -> str:
    """How a header names a format.

    >>> format_name(2)
    'equishare-potential-2'
    """
    return f"{_NAME}{number}"


def format_number(header: Header) -> int | None:
    """The number of a header's format; None if it names none.

    >>> format_number({"format": "equishare-potential-2"})
    2
    """
    found = re.fullmatch(rf"{_NAME}(\d{{1,6}})", str(header.get("format")))
    return int(found[1]) if found else None


def migrate(header: Header) -> tuple[Header, Callable[[Weights], Weights]]:
    """The header in the present format, and what renames the weights of that file.

    Raises:
        ValueError: if the format is not one of those that this version reads.
    """
    number = format_number(header)
    if number is None or not (number in _STEPS or number == FORMAT):
        raise ValueError(f"expected a format from {format_name(min(_STEPS))} to {format_name(FORMAT)}")
    renames: list[Callable[[Weights], Weights]] = []
    while number != FORMAT:
        header, rename = _STEPS[number](header)
        renames.append(rename)
        number += 1
        header["format"] = format_name(number)

    def rename_all(weights: Weights) -> Weights:
        for rename in renames:
            weights = rename(weights)
        return weights

    return header, rename_all


def _from_2(header: Header) -> tuple[Header, Callable[[Weights], Weights]]:
    """Statistics become one record, the dipole one head among others, and heads leave the network."""
    header = dict(header)
    config = dict(header["config"])
    config["heads"] = ["dipole"] if config.pop("dipole", False) else []
    names = ("reference_energies", "scale", "shift", "neighbours", "spacing")
    header["statistics"] = {name: header.pop(name) for name in names}
    header["statistics"]["min_distance"] = header.pop("min_distance", {})
    moved = {"net.energies.": "energy.readouts.", "net.charge.": "heads.dipole.charge."}
    moved["net.atomic_dipole."] = "heads.dipole.atomic_dipole."

    def rename(weights: Weights) -> Weights:
        return {_moved(name, moved): tensor for name, tensor in weights.items()}

    return {**header, "config": config}, rename


def _moved(name: str, moved: dict[str, str]) -> str:
    for old, new in moved.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


_STEPS: dict[int, Callable[[Header], tuple[Header, Callable[[Weights], Weights]]]] = {2: _from_2}
