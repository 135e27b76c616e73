"""Larger images, images of a given size, and the mean over all of an image."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from equishare.groups.representation import Representation
from equishare.nn.feature_types import require_whole
from equishare.nn.layer import EquivarianceError, FieldLayer, LayerError

_SMOOTH = {1: "linear", 2: "bilinear", 3: "trilinear"}


class FieldUpsample(FieldLayer):
    """An image a whole number of times as large, by the nearest pixel or by linear interpolation, channel by channel.

    Law: f(g y) = g f(y), exact for turns that keep the lattice, for every representation and size: pixels are cells, so that centres
    stay centres. Followed by a group convolution it stands for a transposed one, without its chequerboard (Odena et al. 2016).

    Args:
        rep: representation of the channels.
        factor: how many times as large.
        mode: "linear" or "nearest".
        dimension: axes of space, 1 to 3.

    Shapes:
        ``[batch, channels, *space]`` -> ``[batch, channels, *larger]``, each axis times the factor.

    Raises:
        LayerError: the factor, the mode or the dimension is unknown.

    >>> import torch
    >>> from equishare import groups, nn
    >>> nn.FieldUpsample(groups.cyclic(4).regular(), 2)(torch.randn(1, 4, 5, 5)).shape
    torch.Size([1, 4, 10, 10])
    """

    def __init__(
        self, rep: Representation, factor: int = 2, mode: Literal["linear", "nearest"] = "linear", dimension: int = 2
    ) -> None:
        super().__init__(rep, rep)
        require_whole(factor=factor)
        if mode not in ("linear", "nearest") or dimension not in _SMOOTH:
            raise LayerError(f"mode linear or nearest and 1 to 3 dimensions expected, got {mode!r}, {dimension}")
        self.factor, self.mode, self.dimension = factor, mode, dimension

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *larger"]:
        """The larger image."""
        self._check_channels(x, self.dimension)
        if self.mode == "nearest":
            return functional.interpolate(x, scale_factor=float(self.factor), mode="nearest")
        return functional.interpolate(
            x, scale_factor=float(self.factor), mode=_SMOOTH[self.dimension], align_corners=False
        )

    def to_torch(self) -> nn.Module:
        """``torch.nn.Upsample``."""
        mode = "nearest" if self.mode == "nearest" else _SMOOTH[self.dimension]
        corners = None if mode == "nearest" else False
        return nn.Upsample(scale_factor=float(self.factor), mode=mode, align_corners=corners).train(self.training)


class AdaptivePool(FieldLayer):
    """The mean or maximum over as many windows as are asked for, whatever the size of the image.

    Law: f(g y) = g f(y), exact for turns that keep the lattice, for every representation and size: torch's windows, from floor(i n / m) to
    ceil((i + 1) n / m), lie symmetric about the centre.

    Args:
        rep: representation of the channels.
        size: m, the output's size along each axis; a turn swaps axes, so one number is for all.
        reduce: "mean" or "max", which needs permuted channels.
        dimension: axes of space, 1 to 3.

    Shapes:
        ``[batch, channels, *space]`` -> ``[batch, channels, m, ...]``, m along each axis.

    Raises:
        EquivarianceError: the maximum of fields that are not permuted.
        LayerError: another argument is unknown.

    >>> import torch
    >>> from equishare import groups, nn
    >>> nn.AdaptivePool(groups.cyclic(4).regular(), 3)(torch.randn(1, 4, 7, 7)).shape
    torch.Size([1, 4, 3, 3])
    """

    def __init__(
        self, rep: Representation, size: int, reduce: Literal["mean", "max"] = "mean", dimension: int = 2
    ) -> None:
        super().__init__(rep, rep)
        require_whole(size=size)
        if reduce not in ("mean", "max") or dimension not in _SMOOTH:
            raise LayerError(f"mean or max and 1 to 3 dimensions expected, got {reduce!r}, {dimension}")
        require_permuted(rep, reduce)
        self.size, self.reduce, self.dimension = size, reduce, dimension
        self.pool = self.to_torch()

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *windows"]:
        """The pooled features."""
        self._check_channels(x, self.dimension)
        return self.pool(x)

    def to_torch(self) -> nn.Module:
        """The plain pooling module."""
        pools: dict[str, list[type[nn.Module]]] = {
            "mean": [nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d],
            "max": [nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d],
        }
        return pools[self.reduce][self.dimension - 1](self.size).train(self.training)


def require_permuted(rep: Representation, reduce: str) -> None:
    """Raise EquivarianceError for a maximum of fields that are not permuted."""
    if reduce == "max" and rep.kind != "permutation":
        raise EquivarianceError(f"the maximum needs permuted channels, {rep} acts otherwise: use reduce='mean'")


class GlobalPool(FieldLayer):
    """The mean or maximum over all positions: ``[batch, channels, *space]`` to ``[batch, channels]``, ready for a linear layer.

    Law: f(g y) = rho(g) f(y): positions are gone, fields still turn; exact. The maximum needs permuted channels.

    Args:
        rep: representation of the channels.
        reduce: what to take.

    Raises:
        EquivarianceError: the maximum of fields that are not permuted.

    >>> import torch
    >>> from equishare import groups, nn
    >>> G = groups.cyclic(4)
    >>> net = nn.Sequential(
    ...     nn.GroupConv2d(G, 1, 8, 3, lifting=True), torch.nn.ReLU(), nn.GlobalPool(8 * G.regular()),
    ...     nn.GroupPool(8 * G.regular(), dimension=0), torch.nn.Linear(8, 10)
    ... )
    >>> net(torch.randn(2, 1, 9, 9)).shape
    torch.Size([2, 10])
    """

    def __init__(self, rep: Representation, reduce: Literal["mean", "max"] = "mean") -> None:
        super().__init__(rep, rep)
        if reduce not in ("mean", "max"):
            raise LayerError(f"reduce: mean or max expected, got {reduce!r}")
        require_permuted(rep, reduce)
        self.reduce = reduce

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels"]:
        """One number a channel."""
        self._check_channels(x)
        flat = x.flatten(2) if x.ndim > 2 else x.unsqueeze(2)
        return flat.mean(2) if self.reduce == "mean" else flat.amax(2)
