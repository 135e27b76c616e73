"""Separable group convolutions: the group mixes channels, then space filters each channel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.groups.finite import FiniteGroup
from equishare.nn.fields.convolution import Convolution, output_positions
from equishare.nn.fields.group_conv import exact_on_grid, filter_pattern, require_finite
from equishare.nn.fields.initialisation import convolution_scale
from equishare.nn.layer import FieldLayer
from equishare.sharing.shared_weights import Call, SharedWeight
from equishare.sharing.solver import solve


class _SeparableGroupConv(FieldLayer):
    dimension: int

    def __init__(
        self,
        group: FiniteGroup,
        in_fields: int,
        out_fields: int,
        kernel_size: int | Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str = "same",
        dilation: int | Sequence[int] = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        require_finite(group)
        super().__init__(in_fields * group.regular(), out_fields * group.regular())
        self.group, self.turns = group, group.order > 1
        self.in_fields, self.out_fields, self.order = in_fields, out_fields, group.order
        ones = (1,) * self.dimension
        self.mixing = Convolution.of(self.dimension, 1, 1, 0, 1, "zeros")
        self.convolution = Convolution.of(self.dimension, kernel_size, stride, padding, dilation, padding_mode)
        self.exact = exact_on_grid(group, self.convolution.kernel_size)
        self.group_pattern = filter_pattern(group, ones, group.regular(), group.regular())
        self.space_pattern = filter_pattern(group, self.convolution.kernel_size, group.trivial(), group.regular())
        self.group_weight = nn.Parameter(torch.empty(out_fields, in_fields, self.group_pattern.n_free, dtype=dtype))
        self.space_weight = nn.Parameter(torch.empty(out_fields, self.space_pattern.n_free, dtype=dtype))
        self.bias_pattern = solve(group.trivial(), group.regular())
        self.bias = nn.Parameter(torch.empty(out_fields, dtype=dtype)) if bias else None
        self.scales = (
            convolution_scale(self.group_pattern, in_fields, 2**0.5),
            convolution_scale(self.space_pattern, 1, 1.0),
        )
        self.convolution.warn_of_strides(group)
        self.reset_parameters()
        self.to(torch.get_default_device() if device is None else device)

    def reset_parameters(self) -> None:
        """Draw base weights whose product keeps the variance through a ReLU; the bias is zero."""
        with torch.no_grad():
            self.group_weight.normal_(0.0, self.scales[0])
            self.space_weight.normal_(0.0, self.scales[1])
            if self.bias is not None:
                self.bias.zero_()

    def full_weights(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """The channel-mixing matrix [out, in, 1 ...], the filters [out, 1, *kernel] and the bias [out]."""
        mixing = self.group_pattern.expand(self.group_weight).transpose(1, 2)
        mixing = mixing.reshape(self.out_channels, self.in_channels, *self.mixing.kernel_size)
        filters = self.space_pattern.expand(self.space_weight)
        filters = filters.reshape(self.out_channels, 1, *self.convolution.kernel_size)
        bias = None if self.bias is None else self.bias.repeat_interleave(self.order)
        return mixing, filters, bias

    def forward(self, x: Float[Tensor, "batch in *space"]) -> Float[Tensor, "batch out *space_out"]:
        """Mix channels, then filter each of them."""
        self._check_channels(x, self.dimension)
        if self.turns:
            self.convolution.check_input(x.shape[2:])
        mixing, filters, bias = self.full_weights()
        return self.convolution(self.mixing(x, mixing, None, 1), filters, bias, self.out_channels)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """The patterns of both factors and of the bias."""
        mixed, filtered = (1, 1) if call is None else (math.prod(call.inputs[0][2:]), output_positions(call))
        found = {
            "group_weight": SharedWeight.of(self.group_pattern, self.out_fields * self.in_fields, mixed),
            "space_weight": SharedWeight.of(self.space_pattern, self.out_fields, filtered),
        }
        if self.bias is not None:
            found["bias"] = SharedWeight.of(self.bias_pattern, self.out_fields, filtered)
        return found

    def to_torch(self) -> nn.Sequential:
        """A 1x1 convolution, then a depthwise one."""
        mixing, filters, bias = self.full_weights()
        plain = nn.Sequential(
            self.mixing.module(mixing, None, 1), self.convolution.module(filters, bias, self.out_channels)
        )
        return plain.train(self.training)

    def extra_repr(self) -> str:
        """Fields and sizes."""
        c = self.convolution
        sizes = f"kernel_size={c.kernel_size}, stride={c.stride}"
        return f"{self.rep_in} -> {self.rep_out}, {sizes}, exact={self.exact}"


class SeparableGroupConv1d(_SeparableGroupConv):
    """A group convolution on the line with filters that factor, W_oi(g, x) = c_oi(g) k_o(x).

    Law and arguments as :class:`GroupConv1d`, from regular to regular fields; Knigge et al. 2022.

    >>> from equishare import groups, nn
    >>> nn.SeparableGroupConv1d(groups.cyclic(2), 2, 4, 5)(torch.zeros(1, 4, 9)).shape
    torch.Size([1, 8, 9])
    """

    dimension = 1


class SeparableGroupConv2d(_SeparableGroupConv):
    """A group convolution in the plane with filters that factor, W_oi(g, x) = c_oi(g) k_o(x).

    Law and arguments as :class:`GroupConv2d`, from regular to regular fields; Knigge et al. 2022, "Exploiting
    Redundancy: Separable Group Convolutional Networks on Lie Groups".

    Shapes:
        ``[batch, in_channels, height, width]`` -> ``[batch, out_channels, ...]``.

    >>> from equishare import groups, nn
    >>> nn.SeparableGroupConv2d(groups.cyclic(4), 2, 4, 3)(torch.zeros(1, 8, 7, 7)).shape
    torch.Size([1, 16, 7, 7])
    """

    dimension = 2


class SeparableGroupConv3d(_SeparableGroupConv):
    """A group convolution in space with filters that factor, W_oi(g, x) = c_oi(g) k_o(x).

    Law and arguments as :class:`GroupConv3d`, from regular to regular fields; Knigge et al. 2022.

    >>> from equishare import groups, nn
    >>> nn.SeparableGroupConv3d(groups.octahedral(), 1, 1, 3)(torch.zeros(1, 24, 3, 3, 3)).shape
    torch.Size([1, 24, 3, 3, 3])
    """

    dimension = 3
