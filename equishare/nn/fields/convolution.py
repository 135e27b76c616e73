"""The plain convolution that a group convolution runs, and when it breaks the symmetry."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from equishare.groups.finite import FiniteGroup
from equishare.groups.group import Group
from equishare.nn.layer import EquivarianceError, LayerError, SymmetryWarning
from equishare.sharing.shared_weights import Call
from equishare.sharing.toeplitz import PADDING_MODES, per_axis


def output_positions(call: Call | None) -> int:
    """Positions of the output of a call on [batch, channels, *space]; 1 without a call."""
    return 1 if call is None else math.prod(call.output[2:])


_FUNCTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_MODULES: dict[int, type[nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def remedy(size: int, kernel: int, stride: int, padding: int, dilation: int) -> str:
    """What to change so that a stride reads an axis symmetrically, with borders that half a window covers, as pools want them.

    >>> remedy(64, 3, 2, 1, 1)
    'use kernel_size=4 with padding=1, or kernel_size=2 with padding=0; or pad or crop the input to 65 or 63'
    >>> remedy(14, 3, 3, 0, 1)
    'use kernel_size=4 with padding=1, or kernel_size=2 with padding=0; or pad or crop the input to 15 or 12'
    """
    span = dilation * (kernel - 1) + 1
    borders = range(min(padding + stride, span // 2) + 1)
    ways = [f"use padding={p}" for p in borders if p != padding and (size + 2 * p - span) % stride == 0]
    for other in (kernel + 1, kernel - 1):
        width = dilation * (other - 1) + 1
        fits = [p for p in range(width // 2 + 1) if (size + 2 * p - width) % stride == 0]
        if other > 0 and fits:
            nearest = min((abs(2 * p - (width - stride)), p) for p in fits)[1]
            ways.append(f"{'use ' if not ways else ''}kernel_size={other} with padding={nearest}")
    near = sorted(
        (n for n in range(max(1, size - stride), size + stride + 1) if (n + 2 * padding - span) % stride == 0),
        reverse=True,
    )
    sizes = " or ".join(map(str, near))
    return ", or ".join(ways) + ("; or " if ways else "") + f"pad or crop the input to {sizes}"


@dataclass(frozen=True)
class Convolution:
    """Sizes of a convolution in 1, 2 or 3 dimensions, and its law under turns about the centre.

    Reading positions are symmetric about the centre of an input of size n if ``n + 2 padding - dilation
    (kernel - 1) - 1`` is a multiple of the stride. Otherwise the output of a turned image is no turned
    output.
    """

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    padding_mode: str

    @staticmethod
    def of(
        dimension: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int],
        padding: int | Sequence[int] | str,
        dilation: int | Sequence[int],
        padding_mode: str,
    ) -> Convolution:
        """Checked sizes; ``padding="same"`` keeps the size of the input at stride 1."""
        kernel = per_axis(kernel_size, dimension, "kernel_size", LayerError)
        spread = per_axis(dilation, dimension, "dilation", LayerError)
        if padding_mode not in PADDING_MODES:
            raise LayerError(f"padding_mode zeros, circular, reflect or replicate expected, got {padding_mode!r}")
        if isinstance(padding, str):
            if padding != "same":
                raise LayerError(f"padding: whole numbers or 'same' expected, got {padding!r}")
            if any(d * (k - 1) % 2 for k, d in zip(kernel, spread, strict=True)):
                raise EquivarianceError(
                    f"padding='same' with the even kernel {kernel} pads one side more than the other, which "
                    "breaks every turn and reflection: choose an odd kernel, or give the padding as a number"
                )
            borders = tuple(d * (k - 1) // 2 for k, d in zip(kernel, spread, strict=True))
        else:
            borders = per_axis(padding, dimension, "padding", LayerError)
        return Convolution(kernel, per_axis(stride, dimension, "stride", LayerError), borders, spread, padding_mode)

    @property
    def dimension(self) -> int:
        """The number of axes."""
        return len(self.kernel_size)

    def warn_of_strides(self, group: Group, stacklevel: int = 4) -> None:
        """Say at construction which input sizes keep the symmetry, where a stride makes that depend."""
        if (isinstance(group, FiniteGroup) and group.order == 1) or max(self.stride) == 1:
            return
        rest = [
            (d * (k - 1) + 1 - 2 * p) % s
            for k, d, p, s in zip(self.kernel_size, self.dilation, self.padding, self.stride, strict=True)
        ]
        sizes = ", ".join(f"n = {r} modulo {s}" for r, s in zip(rest, self.stride, strict=True))
        warnings.warn(
            f"a stride of {self.stride} keeps the symmetry of {group} only for inputs of size {sizes} along "
            "the axes (others raise an error), and translations by multiples of the stride only",
            SymmetryWarning,
            stacklevel=stacklevel,
        )

    def check_input(self, sizes: Sequence[int]) -> None:
        """Raise EquivarianceError for an input size that a stride reads off centre."""
        if max(self.stride) == 1:
            return
        for n, k, s, p, d in zip(sizes, self.kernel_size, self.stride, self.padding, self.dilation, strict=True):
            if (n + 2 * p - d * (k - 1) - 1) % s:
                raise EquivarianceError(
                    f"an input of size {tuple(sizes)} read with kernel {self.kernel_size}, stride "
                    f"{self.stride} and padding {self.padding} is off centre, which breaks the symmetry: "
                    "size + 2 * padding - dilation * (kernel - 1) - 1 must be a multiple of the stride; "
                    f"{remedy(n, k, s, p, d)}"
                )

    def __call__(self, x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        """What ``torch.nn.ConvNd`` computes."""
        padding = self.padding
        if self.padding_mode != "zeros" and any(padding):
            sides = [p for p in reversed(padding) for _ in range(2)]
            x, padding = functional.pad(x, sides, mode=self.padding_mode), (0,) * self.dimension
        return _FUNCTIONS[self.dimension](x, weight, bias, self.stride, padding, self.dilation, groups)

    def module(self, weight: Tensor, bias: Tensor | None, groups: int) -> nn.Module:
        """The ``torch.nn.ConvNd`` with this weight."""
        plain = _MODULES[self.dimension](
            weight.shape[1] * groups,
            weight.shape[0],
            self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=groups,
            bias=bias is not None,
            padding_mode=self.padding_mode,
            device=weight.device,
            dtype=weight.dtype,
        )
        return holding(plain, weight, bias)


def holding(plain: nn.Module, weight: Tensor, bias: Tensor | None) -> nn.Module:
    """A module of torch with these numbers as its own."""
    with torch.no_grad():
        plain.weight.copy_(weight)  # type: ignore[operator]
        if bias is not None:
            plain.bias.copy_(bias)  # type: ignore[operator]
    return plain
