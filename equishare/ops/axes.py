"""Whether tensors fit each other: a compiled loop would read whatever lies behind an array that is too short."""

from collections.abc import Mapping

from torch import Tensor

from equishare.errors import LayerError


def check_axes(sizes: Mapping[str, int], **factors: tuple[Tensor, str]) -> None:
    """See that axes of one name have one length; each operation asks this once, before it chooses how it runs.

    Args:
        sizes: Lengths that are known, by name.
        factors: Tensors, and the names of their axes.

    Raises:
        LayerError: for a tensor with other axes.

    >>> import torch
    >>> check_axes({"edges": 2}, radial=(torch.zeros(2, 3), "edges channels"), harmonics=(torch.zeros(1, 4), "edges components"))
    Traceback (most recent call last):
    equishare.errors.LayerError: expected harmonics of shape [edges=2, components=4], got [1, 4]
    """
    known = dict(sizes)
    for name, (tensor, axes) in factors.items():
        named, shape = axes.split(), tensor.shape
        fits = len(named) == len(shape)
        for axis, length in zip(named, shape, strict=False):  # written out: small structures feel every call
            if known.setdefault(axis, length) != length:
                fits = False
        if not fits:
            expected = ", ".join(f"{axis}={known[axis]}" if axis in known else axis for axis in named)
            raise LayerError(f"expected {name} of shape [{expected}], got {list(shape)}")
