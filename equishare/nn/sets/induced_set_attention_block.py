"""Attention through a few learned points: linear in the size of the set."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from equishare.nn.feature_types import require_whole
from equishare.nn.layer import Layer
from equishare.nn.sets.features import SetFeatures
from equishare.nn.sets.padding import check_channels
from equishare.nn.sets.set_attention_block import SetAttentionBlock


class InducedSetAttentionBlock(Layer):
    r"""The points ask m learned points that have asked the points: ISAB, of cost n m where self-attention costs n^2.

    .. math:: y = \mathrm{MAB}(x, \mathrm{MAB}(I, x)), \qquad f(\pi x) = \pi f(x) \text{, exact}

    Args:
        channels: of x and y.
        induced: m, the number of learned points.
        heads: of the attention.
        kv_heads: heads of keys and values, as in ``SetAttention``.
        device: Where the weights live.
        dtype: Their precision.

    Shapes:
        ``[..., n, channels]``, mask ``[..., n]`` -> ``[..., n, channels]``.

    Raises:
        LayerError: no induced points, or as ``SetAttention``.

    Lee et al. 2019, "Set Transformer".

    >>> InducedSetAttentionBlock(32, induced=8)(torch.randn(2, 100, 32)).shape
    torch.Size([2, 100, 32])
    """

    def __init__(
        self,
        channels: int,
        induced: int,
        heads: int = 4,
        kv_heads: int | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.rep_in, self.rep_out = SetFeatures(1, channels), SetFeatures(1, channels)
        require_whole(induced=induced)
        self.points = nn.Parameter(torch.empty(induced, channels, device=device, dtype=dtype))
        self.reset_parameters()
        self.gather = SetAttentionBlock(channels, heads, kv_heads, device=device, dtype=dtype)
        self.spread = SetAttentionBlock(channels, heads, kv_heads, device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw points of variance 2 / (points + channels) (Glorot & Bengio 2010)."""
        nn.init.xavier_uniform_(self.points)

    def forward(
        self, x: Float[Tensor, "*batch n channels"], mask: Bool[Tensor, "*batch n"] | None = None
    ) -> Float[Tensor, "*batch n channels"]:
        """The block; what stands at padding does not matter, and y is zero there."""
        check_channels(x, self.points.shape[1], 1, self)
        gathered = self.gather(self.points.expand(*x.shape[:-2], *self.points.shape), x, source_mask=mask)
        return self.spread(x, gathered, mask=mask)
