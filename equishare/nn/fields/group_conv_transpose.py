"""Transposed group convolutions: larger outputs, the same shared filters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from equishare.groups.finite import FiniteGroup
from equishare.groups.orthogonal import OrthogonalGroup
from equishare.nn.fields.convolution import holding
from equishare.nn.fields.group_conv import _GroupConv
from equishare.nn.layer import EquivarianceError
from equishare.sharing.shared_weights import Call, SharedWeight

_FUNCTIONS = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
_MODULES: dict[int, type[nn.Module]] = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


class _GroupConvTranspose(_GroupConv):
    """What a convolution reads with a stride, this writes with one."""

    def __init__(
        self,
        group: FiniteGroup | OrthogonalGroup,
        in_fields: int,
        out_fields: int,
        kernel_size: int | Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        **options: Any,
    ) -> None:
        if options.get("padding_mode", "zeros") != "zeros":
            raise EquivarianceError("a transposed convolution has padding_mode='zeros' only")
        super().__init__(group, in_fields, out_fields, kernel_size, stride=stride, **options)
        # an output meets one in so many of the taps
        self.scale *= math.prod(self.convolution.stride) ** 0.5
        self.reset_parameters()

    def _warn_of_strides(self) -> None:
        """Nothing: what is written with a stride is symmetric about the centre for every size."""

    def full_weight(self) -> Float[Tensor, "in out *kernel"]:
        """The expanded filter bank, as ``torch.nn.ConvTransposeNd`` has it."""
        full = super().full_weight().unflatten(0, (self.groups, -1))
        return full.transpose(1, 2).flatten(0, 1)

    def forward(self, x: Float[Tensor, "batch in *space"]) -> Float[Tensor, "batch out *space_out"]:
        """Expand the filter, then convolve."""
        self._check_channels(x, self.dimension)
        c = self.convolution
        return _FUNCTIONS[self.dimension](
            x, self.full_weight(), self.full_bias(), c.stride, c.padding, 0, self.groups, c.dilation
        )

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """The patterns of weight and bias; the filters are used once an input position."""
        found = super().shared_weights(call)
        if call is not None:
            positions = math.prod(call.inputs[0][2:])
            copies = self.out_fields * self.in_fields // self.groups
            found["weight"] = SharedWeight.of(self.pattern, copies, positions)
        return found

    def to_torch(self) -> nn.Module:
        """The ``torch.nn.ConvTransposeNd`` with the expanded filters."""
        c, weight, bias = self.convolution, self.full_weight(), self.full_bias()
        plain = _MODULES[self.dimension](
            self.in_channels,
            self.out_channels,
            c.kernel_size,
            stride=c.stride,
            padding=c.padding,
            groups=self.groups,
            bias=bias is not None,
            dilation=c.dilation,
            device=weight.device,
            dtype=weight.dtype,
        )
        return holding(plain, weight, bias).train(self.training)


class GroupConvTranspose1d(_GroupConvTranspose):
    """A transposed group convolution on the line.

    Law and arguments as :class:`GroupConvTranspose2d`.

    >>> import torch
    >>> from equishare import groups, nn
    >>> nn.GroupConvTranspose1d(groups.cyclic(2), 2, 3, 4, stride=2, padding=1)(torch.zeros(1, 4, 10)).shape
    torch.Size([1, 6, 20])
    """

    dimension = 1


class GroupConvTranspose2d(_GroupConvTranspose):
    """A transposed group convolution in the plane: each input pixel writes its filter, stride pixels apart.

    y(s u + t) += W(t) x(u), with the filters of :class:`GroupConv2d`. Law: f(g y) = g f(y), as exact as there, for every input size and
    stride. The output has ``(size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1`` pixels: twice as many with
    ``kernel_size=4, stride=2, padding=1``. A kernel that the stride does not divide writes unequally often to neighbouring pixels
    (Odena et al. 2016); ``FieldUpsample`` and a convolution do not.

    Args:
        group: as for :class:`GroupConv2d`.
        in_fields: number of fields of the input.
        out_fields: number of fields of the output.
        kernel_size: taps.
        stride: step between what neighbouring input pixels write.
        options: ``lifting``, ``field_in``, ``field_out``, ``padding``, ``dilation``, ``groups``, ``bias``, ``device``, ``dtype`` of
            :class:`GroupConv2d`.

    Shapes:
        ``[batch, in_channels, height, width]`` -> ``[batch, out_channels, ...]``, stride times as large.

    Raises:
        EquivarianceError: as there, or a padding that is not of zeros.

    >>> import torch
    >>> from equishare import groups, nn
    >>> layer = nn.GroupConvTranspose2d(groups.cyclic(4), 2, 3, 4, stride=2, padding=1)
    >>> layer(torch.zeros(1, 8, 5, 5)).shape, layer.to_torch()
    (torch.Size([1, 12, 10, 10]), ConvTranspose2d(8, 12, kernel_size=(4, 4), stride=(2, 2), padding=(1, 1)))
    """

    dimension = 2


class GroupConvTranspose3d(_GroupConvTranspose):
    """A transposed group convolution in space.

    Law and arguments as :class:`GroupConvTranspose2d`.

    >>> import torch
    >>> from equishare import groups, nn
    >>> layer = nn.GroupConvTranspose3d(groups.octahedral(), 1, 1, 2, stride=2, padding=0, field_out=groups.octahedral().trivial())
    >>> layer(torch.zeros(1, 24, 2, 2, 2)).shape
    torch.Size([1, 1, 4, 4, 4])
    """

    dimension = 3
