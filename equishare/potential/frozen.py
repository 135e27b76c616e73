"""Potentials that are run, not trained."""

import copy
import os

import torch

from equishare.devices import choose_device, choose_dtype
from equishare.potential.model_file import load
from equishare.potential.potential import Potential


def frozen(
    potential: Potential | str | os.PathLike[str],
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
) -> Potential:
    """A copy of a potential, or that of a model file, in evaluation mode, whose weights want no gradient.

    Args:
        potential: Stays as it is.
        device: Where to run; None for the potential's own (a file: the CPU).
        dtype: float32 or float64; None for the potential's own.

    Raises:
        DeviceError: for a device or a precision that is none, or not there.
        ModelFileError: if the path does not hold a model.

    >>> frozen("organic", dtype="float64").dtype
    torch.float64
    """
    own = copy.deepcopy(potential) if isinstance(potential, Potential) else load(potential)
    place = own.device if device is None else choose_device(device)
    precision = own.dtype if dtype is None else choose_dtype(dtype)
    return own.to(device=place, dtype=precision).eval().requires_grad_(False)
