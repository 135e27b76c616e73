"""Smaller images by a blur before every other pixel is left out, symmetric about the centre for every size."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from equishare.groups.representation import Representation
from equishare.nn.feature_types import require_whole
from equishare.nn.fields.resample import require_permuted
from equishare.nn.layer import FieldLayer, LayerError

_CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_MAXIMA = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}


class AntialiasedPool(FieldLayer):
    r"""A Gaussian blur, read with a stride: ``[batch, channels, *n]`` to ``[batch, channels, *ceil(n / stride)]``.

    .. math:: y(i) = \sum_x G_\sigma(x - x_i)\, f(x), \qquad x_i = \tfrac{n - 1}{2} + s \big(i - \tfrac{m - 1}{2}\big)

    The reading positions lie symmetric about the centre for every size, between pixels where need be; there the blur has an even number
    of taps. Law: f(g y) = g f(y), exact for turns that keep the lattice, on every size, odd ones too; for other turns, whose images the
    blur makes smooth enough to be read, up to the error of sampling. Borders are continued.

    Args:
        rep: representation of the channels, of any group.
        stride: s.
        sigma: in pixels; 0.6 s by default, which halves what would be folded over at s = 2.
        reduce: "mean", or "max" for the maximum of 3 pixels an axis before the blur (permuted channels only).
        dimension: axes of space, 1 to 3.

    Raises:
        EquivarianceError: the maximum of fields that are not permuted.
        LayerError: another argument is unknown.

    Zhang 2019, "Making convolutional networks shift-invariant again".

    >>> from equishare import groups, nn
    >>> pool = nn.AntialiasedPool(groups.cyclic(4).regular())
    >>> pool(torch.randn(1, 4, 8, 8)).shape, pool(torch.randn(1, 4, 9, 9)).shape
    (torch.Size([1, 4, 4, 4]), torch.Size([1, 4, 5, 5]))
    """

    def __init__(
        self,
        rep: Representation,
        stride: int = 2,
        sigma: float | None = None,
        reduce: Literal["mean", "max"] = "mean",
        dimension: int = 2,
    ) -> None:
        super().__init__(rep, rep)
        require_whole(stride=stride)
        sigma = 0.6 * stride if sigma is None else sigma
        if not sigma > 0 or reduce not in ("mean", "max") or dimension not in _CONVOLUTIONS:
            raise LayerError(
                f"a positive sigma, mean or max and 1 to 3 dimensions expected, got {sigma}, {reduce!r}, {dimension}"
            )
        require_permuted(rep, reduce)
        self.stride, self.sigma, self.reduce, self.dimension = stride, sigma, reduce, dimension

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *smaller"]:
        """The smaller image."""
        self._check_channels(x, self.dimension)
        if self.reduce == "max":
            x = _MAXIMA[self.dimension](x, 3, 1, 1)
        axes = [self._axis(n) for n in x.shape[2:]]
        kernel = torch.ones((), dtype=x.dtype, device=x.device)
        for taps, _ in axes:
            away = torch.arange(taps, dtype=x.dtype, device=x.device) - (taps - 1) / 2
            line = torch.exp(-(away**2) / (2 * self.sigma**2))
            kernel = kernel.unsqueeze(-1) * (line / line.sum())
        weight = kernel.expand(self.in_channels, 1, *kernel.shape)
        padded = _with_borders(x, [border for _, border in axes])
        return _CONVOLUTIONS[self.dimension](padded, weight, None, self.stride, groups=self.in_channels)

    def _axis(self, n: int) -> tuple[int, int]:
        """Taps and border of an axis, for ceil(n / stride) reading positions about the centre."""
        span = (-(-n // self.stride) - 1) * self.stride  # from the first to the last
        taps = max(2 * math.ceil(2 * self.sigma) + 1, n - span)
        taps += (span + taps - n) % 2
        return taps, (span + taps - n) // 2

    def extra_repr(self) -> str:
        """Stride and blur."""
        return f"{self.rep_in}, stride={self.stride}, sigma={self.sigma}, {self.reduce}"


def _with_borders(x: Tensor, borders: list[int]) -> Tensor:
    """An image with borders that repeat its edge, as many pixels on either side of each axis."""
    if not torch.compiler.is_compiling():
        return functional.pad(x, [p for p in reversed(borders) for _ in range(2)], mode="replicate")
    # inductor of torch 2.13 has another memory order for the gradient of that than the kernel
    for axis, border in enumerate(borders, start=2):
        size = [*x.shape[:axis], border, *x.shape[axis + 1 :]]
        x = torch.cat([x.narrow(axis, 0, 1).expand(size), x, x.narrow(axis, -1, 1).expand(size)], dim=axis)
    return x
