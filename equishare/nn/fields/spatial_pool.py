"""Pooling over windows of space, on sizes where it keeps the symmetry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from equishare.groups.finite import FiniteGroup
from equishare.groups.representation import Representation
from equishare.nn.fields.convolution import Convolution
from equishare.nn.fields.resample import require_permuted
from equishare.nn.layer import EquivarianceError, FieldLayer, LayerError

_POOLS: dict[str, dict[int, type[nn.Module]]] = {
    "max": {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d},
    "mean": {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d},
}


class SpatialPool(FieldLayer):
    """The maximum or mean over windows of space, channel by channel.

    Law: f(g y) = g f(y), exact for turns that keep the lattice, on inputs that the windows cover symmetrically;
    other sizes raise. Construction warns which sizes those are.

    Args:
        rep: representation of the channels; permuted for the maximum.
        kernel_size: window.
        stride: step between windows; the window by default.
        padding: border on both sides.
        reduce: what to take.
        dimension: axes of space, 1 to 3.

    Shapes:
        ``[batch, channels, *space]`` -> ``[batch, channels, *windows]``.

    Raises:
        EquivarianceError: the maximum of fields that are not permuted, or an input size that breaks the
            symmetry.

    >>> import warnings
    >>> from equishare import groups, nn
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", nn.SymmetryWarning)
    ...     pool = nn.SpatialPool(groups.cyclic(4).regular(), 2)
    >>> import torch
    >>> pool(torch.randn(1, 4, 6, 6)).shape
    torch.Size([1, 4, 3, 3])
    """

    def __init__(
        self,
        rep: Representation,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        reduce: Literal["max", "mean"] = "max",
        dimension: int = 2,
    ) -> None:
        super().__init__(rep, rep)
        if reduce not in _POOLS:
            raise EquivarianceError(f"reduce: max or mean expected, got {reduce!r}")
        if dimension not in _POOLS["max"]:
            raise LayerError(f"1 to 3 dimensions expected, got {dimension}")
        require_permuted(rep, reduce)
        if not isinstance(rep.group, FiniteGroup):
            raise EquivarianceError(f"a finite group of the lattice is needed, got {rep.group}")
        self.reduce, self.turns = reduce, rep.group.order > 1
        step = kernel_size if stride is None else stride
        self.windows = Convolution.of(dimension, kernel_size, step, padding, 1, "zeros")
        self.windows.warn_of_strides(rep.group)
        self.pool = self.to_torch()

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *space_out"]:
        """The pooled features."""
        self._check_channels(x, self.windows.dimension)
        if self.turns:
            self.windows.check_input(x.shape[2:])
        return self.pool(x)

    def to_torch(self) -> nn.Module:
        """The plain pooling module."""
        w = self.windows
        return _POOLS[self.reduce][w.dimension](w.kernel_size, w.stride, w.padding).train(self.training)
