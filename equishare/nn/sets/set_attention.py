"""Attention among the points of a set, or from one set to another."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from equishare.nn.feature_types import require_whole
from equishare.nn.layer import Layer, LayerError
from equishare.nn.sets.attention import attention
from equishare.nn.sets.features import SetFeatures, points_of
from equishare.nn.sets.levels import fill_padding
from equishare.nn.sets.padding import check_channels, check_mask
from equishare.sharing.shared_weights import Call, SharedWeight, used_again


class SetAttention(Layer):
    r"""Each point takes a weighted mean of values over a set, several heads side by side, whose keys and values may be shared.

    For head h, which uses the keys and values :math:`g = \lfloor h G / H \rfloor` of G,

    .. math:: z_{ih} = \sum_j \mathrm{softmax}_j(q_{ih} \cdot k_{jg} / \sqrt d)\, v_{jg}, \qquad y_i = W_o z_i + b_o

    Law: :math:`f(\pi x, \sigma s) = \pi f(x, s)` for permutations of points and source, exact; self-attention is s = x. G = H is the
    multi-head attention of Vaswani et al., G = 1 multi-query attention: heads that share are folded into the queries' axis, so keys and
    values are neither copied nor read twice. A set without points gives z = 0.

    Args:
        channels: of x and y; ``channels // heads`` for each head.
        heads: H.
        kv_heads: G, a divisor of H; as many as heads if not given.
        source_channels: channels of the source, if they are not those of x.
        device: Where the weights live.
        dtype: Their precision.

    Shapes:
        x ``[..., n, channels]``, source ``[..., m, source_channels]``, masks ``[..., n]`` and ``[..., m]`` -> ``[..., n, channels]``.

    Raises:
        LayerError: heads do not divide channels or kv_heads do not divide heads; the shape of an input or a mask does not fit.

    Vaswani et al. 2017, "Attention is all you need"; Shazeer 2019, "Fast transformer decoding"; Ainslie et al. 2023, "GQA".

    >>> layer = SetAttention(32, heads=4, kv_heads=1)
    >>> layer(torch.randn(2, 10, 32)).shape, layer(torch.randn(2, 3, 32), torch.randn(2, 50, 32)).shape
    (torch.Size([2, 10, 32]), torch.Size([2, 3, 32]))
    """

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        kv_heads: int | None = None,
        *,
        source_channels: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.rep_in, self.rep_out = SetFeatures(1, channels), SetFeatures(1, channels)
        kv_heads = heads if kv_heads is None else kv_heads
        source_channels = channels if source_channels is None else source_channels
        require_whole(heads=heads, kv_heads=kv_heads, source_channels=source_channels)
        if channels % heads or heads % kv_heads:
            raise LayerError(
                "heads that divide the channels and kv_heads that divide the heads expected, "
                f"got {channels} channels, {heads} heads, {kv_heads} kv_heads"
            )
        self.channels, self.heads, self.kv_heads = channels, heads, kv_heads
        self.source_channels = source_channels
        shared = kv_heads * (channels // heads)
        self.query = nn.Linear(channels, channels, device=device, dtype=dtype)
        self.key = nn.Linear(self.source_channels, shared, device=device, dtype=dtype)
        self.value = nn.Linear(self.source_channels, shared, device=device, dtype=dtype)
        self.out = nn.Linear(channels, channels, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights of variance 2 / (fan-in + fan-out) (Glorot & Bengio 2010); biases zero."""
        for linear in (self.query, self.key, self.value, self.out):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(
        self,
        x: Float[Tensor, "*batch n channels"],
        source: Float[Tensor, "*batch m source_channels"] | None = None,
        mask: Bool[Tensor, "*batch n"] | None = None,
        source_mask: Bool[Tensor, "*batch m"] | None = None,
    ) -> Float[Tensor, "*batch n channels"]:
        """Attend.

        Args:
            x: The points that ask.
            source: The set they ask; x itself if not given.
            mask: True at points of x; what stands at padding does not matter, and y is zero there.
            source_mask: The same for the source; ``mask`` where that is x.
        """
        check_channels(x, self.channels, 1, self)
        check_mask(mask, x.shape[:-1])
        self.require_numbers(mask=mask, source_mask=source_mask)
        x = fill_padding(x, 1, mask)
        if source is None:
            if source_mask is not None:
                raise LayerError("source_mask is for a source; for the points themselves give mask")
            source, source_mask = x, mask
        else:
            check_channels(source, self.source_channels, 1, self, "source")
            if source.shape[:-2] != x.shape[:-2]:
                raise LayerError(f"as many sources as sets expected, got {list(source.shape)} for {list(x.shape)}")
            check_mask(source_mask, source.shape[:-1], "source_mask")
            source = fill_padding(source, 1, source_mask)
        return fill_padding(self.out(self._attend(x, source, source_mask)), 1, mask)

    def _attend(self, x: Tensor, source: Tensor, mask: Tensor | None) -> Tensor:
        """All heads' weighted means of values, [..., n, channels]; padding of the source is filled with zero."""
        size, m = x.shape[-2], source.shape[-2]
        sets, width = math.prod(x.shape[:-2]), self.channels // self.heads
        if m == 0 or (x.numel() == 0 and not torch.compiler.is_compiling()):
            return torch.zeros_like(x)
        sharing = self.heads // self.kv_heads
        # [sets, kv_heads, heads that share * n, d]: heads that share keys and values are more queries
        query = self.query(x).reshape(sets, size, self.kv_heads, sharing, width).permute(0, 2, 3, 1, 4).flatten(2, 3)
        key = self.key(source).reshape(sets, m, self.kv_heads, width).transpose(1, 2)
        value = self.value(source).reshape(sets, m, self.kv_heads, width).transpose(1, 2)
        allowed = empty = None
        if mask is not None:
            empty = ~mask.any(-1, keepdim=True)
            # the softmax over nothing is not defined: over all of an empty set's padding, and then forgotten
            allowed = (mask | empty).reshape(sets, 1, 1, m)
        means = attention(query, key, value, allowed)
        means = means.unflatten(2, (sharing, size)).permute(0, 3, 1, 2, 4).reshape(x.shape)
        return means if empty is None else means.masked_fill(empty.unsqueeze(-1), 0)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """Every linear map serves each point, and those of keys and values each head that shares them."""
        n = m = points_of(call)
        if call is not None and len(call.inputs) > 1 and len(call.inputs[1]) == len(call.inputs[0]):
            m = points_of(call, 1)
        copies = self.heads // self.kv_heads
        uses = {"query": n, "key": m * copies, "value": m * copies, "out": n}
        parts = {name: used_again(self.get_submodule(name), name, times, "points") for name, times in uses.items()}
        return {name: shared for part in parts.values() for name, shared in part.items()}

    def extra_repr(self) -> str:
        """Channels and heads."""
        return f"{self.channels} channels, {self.heads} heads, {self.kv_heads} of keys and values"
