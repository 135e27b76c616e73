"""A convolution whose filter is another one at every position: the layer before sharing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from equishare.nn.feature_types import require_whole
from equishare.nn.layer import Layer, LayerError
from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.toeplitz import per_axis, toeplitz


class _LocallyConnected(Layer):
    """The layer in any number of dimensions."""

    dimension: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        in_size: int | Sequence[int],
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        bias: bool = True,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        require_whole(in_channels=in_channels, out_channels=out_channels)
        d = self.dimension
        self.in_channels, self.out_channels = in_channels, out_channels
        self.in_size = per_axis(in_size, d, "in_size", LayerError)
        self.kernel_size = per_axis(kernel_size, d, "kernel_size", LayerError)
        self.stride = per_axis(stride, d, "stride", LayerError)
        self.padding = per_axis(padding, d, "padding", LayerError)
        self.dilation = per_axis(dilation, d, "dilation", LayerError)
        self.out_size = tuple(
            (n + 2 * p - q * (k - 1) - 1) // s + 1
            for n, k, s, p, q in zip(
                self.in_size, self.kernel_size, self.stride, self.padding, self.dilation, strict=True
            )
        )
        if min(self.out_size) < 1:
            raise LayerError(
                f"kernel {self.kernel_size} with dilation {self.dilation} does not fit an input of {self.in_size} "
                f"padded by {self.padding}"
            )
        shape = (*self.out_size, *self.kernel_size, in_channels, out_channels)
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        self.bias = (
            nn.Parameter(torch.empty(out_channels, *self.out_size, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights and biases uniformly within 1 / sqrt(fan in), as ``torch.nn.ConvNd`` does."""
        bound = 1 / math.sqrt(self.in_channels * math.prod(self.kernel_size))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, x: Float[Tensor, "batch in_channels *in_size"]) -> Float[Tensor, "batch out_channels *out_size"]:
        """One matrix product for each position, all in one batch."""
        expected = (self.in_channels, *self.in_size)
        if tuple(x.shape[1:]) != expected:
            raise LayerError(f"{type(self).__name__}: an input [batch, {expected}] expected, got {list(x.shape)}")
        self.require_numbers(x)
        positions, taps = math.prod(self.out_size), math.prod(self.kernel_size)
        x = functional.pad(x, [p for p in reversed(self.padding) for _ in range(2)])
        x = x.permute(*range(2, x.ndim), 0, 1).contiguous()  # [*size, batch, channels]: a tap is a slice of rows
        reads = [
            x[tuple(slice(t * q, t * q + (n - 1) * s + 1, s) for t, q, n, s in zip(tap, self.dilation, self.out_size, self.stride, strict=True))]
            for tap in itertools.product(*map(range, self.kernel_size))
        ]  # fmt: skip
        patches = torch.stack(reads, dim=-2).reshape(positions, -1, taps * self.in_channels)
        y = torch.bmm(patches, self.weight.reshape(positions, -1, self.out_channels)).permute(1, 2, 0)
        y = y.reshape(y.shape[0], self.out_channels, *self.out_size)
        return y if self.bias is None else y + self.bias

    def convolution_pattern(self) -> IndexPattern:
        """The pattern of a convolution: ``expand(conv.weight.flatten())`` is this layer's weight with all positions tied.

        ``sharing.share(layer, "weight", layer.convolution_pattern())`` turns the layer into a convolution;
        ``sharing.SoftSharing`` pulls it towards one.
        """
        taps = math.prod(self.kernel_size)
        base = torch.arange(self.out_channels * self.in_channels * taps)
        base = base.reshape(self.out_channels, self.in_channels, taps).permute(2, 1, 0)
        index = base.expand(math.prod(self.out_size), *base.shape)
        return IndexPattern(index.reshape(self.weight.shape), None, base.numel())

    def matrix_pattern(self) -> IndexPattern:
        """The pattern of the dense matrix on flattened inputs: ``expand(weight.flatten()) @ x.flatten()`` is this layer.

        Its nonzero places are those of a convolution's (doubly block) Toeplitz matrix, each with a weight of its own.
        """
        convolution = toeplitz(
            self.kernel_size,
            self.in_size,
            in_channels=self.in_channels,
            out_channels=self.out_channels,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
        )
        index = cast(IndexPattern, convolution).index  # with zeros at the border no two taps read one input
        taps = math.prod(self.kernel_size)
        tap, channels = index % taps, index.div(taps, rounding_mode="floor")
        o, i = channels.div(self.in_channels, rounding_mode="floor"), channels % self.in_channels
        position = torch.arange(len(index)).remainder(math.prod(self.out_size)).unsqueeze(1)
        own = ((position * taps + tap) * self.in_channels + i) * self.out_channels + o
        return IndexPattern(torch.where(index < 0, -1, own), None, self.weight.numel())

    def to_torch(self) -> nn.Sequential:
        """Flatten, ``torch.nn.Linear`` with the matrix written out, unflatten."""
        matrix = self.matrix_pattern().to(self.weight.device).expand(self.weight.detach().reshape(-1))
        linear = nn.Linear(
            matrix.shape[1], matrix.shape[0], self.bias is not None, device=matrix.device, dtype=matrix.dtype
        )
        with torch.no_grad():
            linear.weight.copy_(matrix)
            if self.bias is not None:
                linear.bias.copy_(self.bias.reshape(-1))
        shape = (self.out_channels, *self.out_size)
        return nn.Sequential(nn.Flatten(), linear, nn.Unflatten(1, shape)).train(self.training)

    def extra_repr(self) -> str:
        """The sizes."""
        return (
            f"{self.in_channels}, {self.out_channels}, in_size={self.in_size}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, dilation={self.dilation}, bias={self.bias is not None}"
        )


class LocallyConnected1d(_LocallyConnected):
    """The unshared convolution in one dimension; see ``LocallyConnected2d``.

    >>> layer = LocallyConnected1d(2, 4, in_size=10, kernel_size=3)
    >>> layer(torch.zeros(5, 2, 10)).shape, layer.weight.shape
    (torch.Size([5, 4, 8]), torch.Size([8, 3, 2, 4]))
    """

    dimension = 1


class LocallyConnected2d(_LocallyConnected):
    """A convolution with a filter of its own at every position: local, but nothing is shared.

    y[o, p] = b[o, p] + sum_{t, i} w[p, t, i, o] x[i, stride * p + dilation * t - padding]. A convolution is the case
    of w and b that do not depend on p: as many times fewer weights as there are positions. Law: none until it is tied;
    ``convolution_pattern`` says what tying is.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        in_size: height and width of the input, on which the number of weights depends.
        kernel_size: height and width of the filters.
        stride: step between reading positions.
        padding: zeros added on each side.
        dilation: step between taps.
        bias: whether each output position and channel has a bias.
        device: where the weights live.
        dtype: their precision.

    Raises:
        LayerError: the sizes do not fit each other, or an input them.

    LeCun (1989), "Generalization and network design strategies", compares the two.

    >>> layer = LocallyConnected2d(3, 8, in_size=32, kernel_size=5)
    >>> layer(torch.zeros(2, 3, 32, 32)).shape, sum(p.numel() for p in layer.parameters())
    (torch.Size([2, 8, 28, 28]), 476672)
    >>> from equishare import sharing
    >>> sharing.share(layer, "weight", layer.convolution_pattern())
    >>> layer.parametrizations.weight.original.shape
    torch.Size([600])
    """

    dimension = 2
