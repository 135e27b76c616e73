"""The attention block of the Set Transformer."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from equishare.nn.layer import Layer
from equishare.nn.sets.features import SetFeatures, points_of
from equishare.nn.sets.levels import fill_padding
from equishare.nn.sets.set_attention import SetAttention
from equishare.sharing.shared_weights import Call, SharedWeight, used_again


class SetAttentionBlock(Layer):
    r"""Attention, then the same small layer for each point, each added to what it takes and normalised: MAB, and with itself SAB.

    .. math:: h = \mathrm{LN}(x + \mathrm{Attention}(x, s)), \qquad y = \mathrm{LN}(h + \mathrm{ReLU}(W h + b))

    Law: :math:`f(\pi x, \sigma s) = \pi f(x, s)`, exact; ``forward(x)`` is s = x.

    Args:
        channels: of x, y and the source.
        heads: of the attention.
        kv_heads: heads of keys and values, as in ``SetAttention``.
        device: Where the weights live.
        dtype: Their precision.

    Shapes:
        x ``[..., n, channels]``, source ``[..., m, channels]``, masks ``[..., n]`` and ``[..., m]`` -> ``[..., n, channels]``.

    Raises:
        LayerError: as ``SetAttention``.

    Lee et al. 2019, "Set Transformer".

    >>> SetAttentionBlock(32)(torch.randn(2, 10, 32)).shape
    torch.Size([2, 10, 32])
    """

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        kv_heads: int | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.rep_in, self.rep_out = SetFeatures(1, channels), SetFeatures(1, channels)
        self.attention = SetAttention(channels, heads, kv_heads, device=device, dtype=dtype)
        self.attention_norm = nn.LayerNorm(channels, device=device, dtype=dtype)
        self.linear = nn.Linear(channels, channels, device=device, dtype=dtype)
        self.linear_norm = nn.LayerNorm(channels, device=device, dtype=dtype)

    def forward(
        self,
        x: Float[Tensor, "*batch n channels"],
        source: Float[Tensor, "*batch m channels"] | None = None,
        mask: Bool[Tensor, "*batch n"] | None = None,
        source_mask: Bool[Tensor, "*batch m"] | None = None,
    ) -> Float[Tensor, "*batch n channels"]:
        """The block; arguments as for ``SetAttention``."""
        attended = self.attention(x, source, mask, source_mask)
        h = self.attention_norm(fill_padding(x, 1, mask) + attended)
        return fill_padding(self.linear_norm(h + torch.relu(self.linear(h))), 1, mask)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """What follows the attention serves each point."""
        n, parts = points_of(call), ("attention_norm", "linear", "linear_norm")
        return {k: v for name in parts for k, v in used_again(self.get_submodule(name), name, n, "points").items()}
