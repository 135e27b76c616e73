"""The equivariant linear layer of DeepSets."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from equishare.nn.layer import Layer, LayerError
from equishare.nn.sets.features import SetFeatures, points_of
from equishare.nn.sets.levels import fill_padding, set_mean
from equishare.nn.sets.padding import check_batch, check_channels, check_mask
from equishare.sharing.shared_weights import Call, SharedWeight


class SetLinear(Layer):
    r"""Two weights for each pair of channels: one for what a point is apart from its set's mean, one for the mean.

    .. math:: y_i = A (x_i - \bar x) + B \bar x + b, \qquad f(\pi x) = \pi f(x) \text{, exact}

    These are all linear maps of points that commute with permutations (``sharing.permutation_maps(n, 1, 1)``): A acts on deviations, B
    on the mean, the two irreps of S_n among the points. Starting values keep the second moment through a ReLU on either. It is
    ``PermutationLinear(1, 1, ...)`` and takes batch vectors too.

    Args:
        in_channels: channels of x.
        out_channels: channels of y.
        bias: Add a constant to each channel.
        device: Where the weights live.
        dtype: Their precision.

    Attributes:
        weight: ``[2, in_channels, out_channels]``: B, then A.
        bias: ``[out_channels]`` or None.

    Raises:
        LayerError: the shape of x, mask or batch does not fit, or both mask and batch are given.

    Zaheer et al. 2017, "Deep Sets".

    >>> layer = SetLinear(3, 16)
    >>> layer(torch.randn(2, 5, 3)).shape, layer(torch.randn(7, 3), batch=torch.tensor([0, 0, 0, 1, 1, 1, 1])).shape
    (torch.Size([2, 5, 16]), torch.Size([7, 16]))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        bias: bool = True,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.rep_in, self.rep_out = SetFeatures(1, in_channels), SetFeatures(1, out_channels)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.weight = nn.Parameter(torch.empty(2, in_channels, out_channels, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(out_channels, device=device, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights that keep the second moment of features through a ReLU; the bias is zero."""
        nn.init.normal_(self.weight, std=math.sqrt(2 / self.in_channels))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(
        self,
        x: Float[Tensor, "*points in"],
        mask: Bool[Tensor, "*points"] | None = None,
        *,
        batch: Int[Tensor, " list"] | None = None,
    ) -> Float[Tensor, "*points out"]:
        """The linear map.

        Args:
            x: Padded sets ``[..., n, in]``, or with ``batch`` one list of points ``[N, in]``.
            mask: ``[..., n]``, true at points; what stands at padding does not matter, and y is zero there.
            batch: ``[N]``, the set of each point, in any order.
        """
        check_channels(x, self.in_channels, 1, self)
        self.require_numbers(mask=mask, batch=batch)
        of_mean, of_deviation = self.weight
        if batch is not None:
            if mask is not None:
                raise LayerError("a mask is for padded sets, a batch vector for one list of points: give one of them")
            size = check_batch(x, batch, None)
            sums = x.new_zeros(size, x.shape[-1]).index_add(0, batch, x)
            means = sums / torch.bincount(batch, minlength=size).clamp(min=1).unsqueeze(-1)
            return (x - means[batch]) @ of_deviation + self._constant(means @ of_mean)[batch]
        check_mask(mask, x.shape[:-1])
        x = fill_padding(x, 1, mask)
        mean = set_mean(x, mask).unsqueeze(-2)
        return fill_padding((x - mean) @ of_deviation + self._constant(mean @ of_mean), 1, mask)

    def _constant(self, x: Tensor) -> Tensor:
        return x if self.bias is None else x + self.bias

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """Two weights for the n x n pairs of points, one for the n constants; without a call, n = 2."""
        n = 2 if call is None else points_of(call)
        found = {"weight": SharedWeight(n * n * self.in_channels * self.out_channels, ("points",))}
        if self.bias is not None:
            found["bias"] = SharedWeight(n * self.out_channels, ("points",))
        return found

    def extra_repr(self) -> str:
        """Channels."""
        return f"{self.in_channels} -> {self.out_channels} channels, bias={self.bias is not None}"
