"""Invariants of a set by attention."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from equishare.nn.feature_types import require_whole
from equishare.nn.layer import Layer
from equishare.nn.sets.features import SetFeatures, points_of
from equishare.nn.sets.levels import fill_padding
from equishare.nn.sets.padding import check_channels, check_mask
from equishare.nn.sets.set_attention_block import SetAttentionBlock
from equishare.sharing.shared_weights import Call, SharedWeight, used_again


class AttentionPool(Layer):
    r"""Learned seeds ask the set, one invariant vector a seed: PMA, pooling by multi-head attention.

    .. math:: y = \mathrm{MAB}(S, \mathrm{ReLU}(W x + b)), \qquad f(\pi x) = f(x) \text{, exact}

    An empty set gives what the seeds alone give.

    Args:
        channels: of x and y.
        seeds: number of vectors.
        heads: of the attention.
        kv_heads: heads of keys and values, as in ``SetAttention``.
        device: Where the weights live.
        dtype: Their precision.

    Shapes:
        ``[..., n, channels]``, mask ``[..., n]`` -> ``[..., seeds, channels]``.

    Raises:
        LayerError: no seeds, or as ``SetAttention``.

    Lee et al. 2019, "Set Transformer".

    >>> AttentionPool(32, seeds=2)(torch.randn(5, 100, 32)).shape
    torch.Size([5, 2, 32])
    """

    def __init__(
        self,
        channels: int,
        seeds: int = 1,
        heads: int = 4,
        kv_heads: int | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.rep_in, self.rep_out = SetFeatures(1, channels), SetFeatures(1, channels)
        require_whole(seeds=seeds)
        self.seeds = nn.Parameter(torch.empty(seeds, channels, device=device, dtype=dtype))
        self.reset_parameters()
        self.linear = nn.Linear(channels, channels, device=device, dtype=dtype)
        self.attend = SetAttentionBlock(channels, heads, kv_heads, device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw seeds of variance 2 / (seeds + channels) (Glorot & Bengio 2010)."""
        nn.init.xavier_uniform_(self.seeds)

    def forward(
        self, x: Float[Tensor, "*batch n channels"], mask: Bool[Tensor, "*batch n"] | None = None
    ) -> Float[Tensor, "*batch seeds channels"]:
        """The invariants; what stands at padding does not matter."""
        check_channels(x, self.seeds.shape[1], 1, self)
        check_mask(mask, x.shape[:-1])
        self.require_numbers(mask=mask)
        seeds = self.seeds.expand(*x.shape[:-2], *self.seeds.shape)
        return self.attend(seeds, torch.relu(self.linear(fill_padding(x, 1, mask))), source_mask=mask)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """The linear map serves each point."""
        return used_again(self.linear, "linear", points_of(call), "points")
