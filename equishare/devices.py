"""Devices and precisions by the names that people give them: one vocabulary for the whole package."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, get_args

from equishare.errors import EquishareError

if TYPE_CHECKING:
    import torch

DEVICES = "auto, cpu, cuda or cuda:<n>"
"""What a device can be called."""
DtypeName = Literal["float32", "float64"]
"""What a precision can be called."""


class DeviceError(EquishareError):
    """A device or precision is unknown, or not there."""


def check_device_name(name: str) -> str:
    """The name itself, where it is one; whether there is such a device is not asked.

    Raises:
        DeviceError: for anything else.

    >>> check_device_name("cuda:1")
    'cuda:1'
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise DeviceError(f"expected a device such as {DEVICES}, got {name!r}")
    return name


def choose_device(name: str | torch.device) -> torch.device:
    """The device of a name; ``auto``: a GPU where there is one.

    Raises:
        DeviceError: if the name is none, or there is no such device.

    >>> choose_device("cpu")
    device(type='cpu')
    """
    import torch

    name = str(name)
    if check_device_name(name) == "auto":
        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cpu":
        return device
    index = device.index or 0
    if index >= torch.cuda.device_count():
        raise DeviceError(f"there is no device {name}; PyTorch sees {torch.cuda.device_count()} GPUs; try cpu")
    return torch.device("cuda", index)


def choose_dtype(name: str | torch.dtype) -> torch.dtype:
    """The precision of a name, or itself where it is one of those.

    Raises:
        DeviceError: if the name is none.

    >>> choose_dtype("float64")
    torch.float64
    """
    import torch

    bare = str(name).removeprefix("torch.")
    if bare not in get_args(DtypeName):
        raise DeviceError(f"expected one of {', '.join(get_args(DtypeName))}, got {name!r}")
    dtype: torch.dtype = getattr(torch, bare)
    return dtype
