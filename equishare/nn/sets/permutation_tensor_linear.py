"""Every permutation-equivariant linear map between tensors of any order, dense ones."""

from __future__ import annotations

import math
from itertools import permutations
from string import ascii_lowercase

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from equishare.groups.on_cpu import on_cpu
from equishare.nn.layer import Layer
from equishare.nn.sets.features import SetFeatures, points_of
from equishare.nn.sets.padding import sets_of
from equishare.nn.sets.tensor_maps import Piece, partitions, pieces
from equishare.sharing.basis_pattern import BasisPattern
from equishare.sharing.shared_weights import Call, SharedWeight

LARGEST_PATTERN = 10_000  # entries of a pair of channels' matrix that a report writes down


class TensorMaps(Layer):
    """What the maps between tensors of two orders have in common, dense or sparse: their weights, level by level.

    A level s holds the maps that keep s points: ``weight[level]`` is ``[permutations of s axes, contractions, spreads, in, out]``.
    """

    def __init__(self, order_in: int, order_out: int, in_channels: int, out_channels: int, bias: bool) -> None:
        super().__init__()
        self.rep_in, self.rep_out = SetFeatures(order_in, in_channels), SetFeatures(order_out, out_channels)
        self.order_in, self.order_out = order_in, order_out
        self.in_channels, self.out_channels = in_channels, out_channels
        levels = range(min(order_in, order_out) + 1)
        # level by level: how axes are matched, what x is contracted to, what y is spread from
        self._matchings = [list(permutations(range(s))) for s in levels]
        self._sources, self._targets = ([list(pieces(order, s)) for s in levels] for order in (order_in, order_out))
        self._constants = [Piece(blocks, ()) for blocks in partitions(order_out)]
        self._shapes = [
            (len(m), len(s), len(t)) for m, s, t in zip(self._matchings, self._sources, self._targets, strict=True)
        ]
        self.maps = sum(map(math.prod, self._shapes))
        self.weight = nn.Parameter(torch.empty(self.maps, in_channels, out_channels))
        self.bias = nn.Parameter(torch.empty(len(self._constants), out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights that keep the second moment of features through a ReLU; the bias is zero."""
        nn.init.normal_(self.weight, std=math.sqrt(2 / (self.maps * self.in_channels)))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def by_level(self, weight: Tensor) -> list[Tensor]:
        """Views [permutations, contractions, spreads, in, out] of the weight."""
        parts = weight.split([math.prod(shape) for shape in self._shapes])
        return [part.unflatten(0, shape) for part, shape in zip(parts, self._shapes, strict=True)]

    def extra_repr(self) -> str:
        """Orders and channels."""
        return (
            f"{self.in_channels} -> {self.out_channels} channels, order {self.order_in} -> {self.order_out}, "
            f"{self.maps} maps, bias={self.bias is not None}"
        )


class PermutationTensorLinear(TensorMaps):
    r"""All linear maps from tensors of order k to tensors of order l that commute with permutations of the points, for any k and l.

    .. math:: y = \sum_{m=1}^{\mathrm{Bell}(k + l)} W_m\, B_m x + \sum_m b_m 1_m, \qquad f(\pi x) = \pi f(x) \text{, exact}

    B_m takes the entries of x with some indices equal, their mean over some points, and spreads it over the entries of y with some indices
    equal; these maps span all that ``sharing.permutation_maps(n, k, l)`` lists, for every n. No n^l x n^k matrix is made: x is contracted to
    orders 0 to min(k, l), weights mix the channels of these, and the results are spread. Time and memory are linear in the numbers of x
    and y. For k, l <= 2 ``PermutationLinear`` has the same span, and is faster.

    Args:
        order_in: k.
        order_out: l.
        in_channels: channels of x.
        out_channels: channels of y.
        bias: add all constants that permutations leave alone, Bell(l) a channel.

    Attributes:
        weight: ``[maps, in_channels, out_channels]``.

    Shapes:
        ``[..., n (k times), in_channels]`` -> ``[..., n (l times), out_channels]``.

    Raises:
        LayerError: an order is negative; x or the mask does not fit; the number of points is not given.

    Maron, Ben-Hamu, Shamir, Lipman 2019, "Invariant and Equivariant Graph Networks".

    >>> layer = PermutationTensorLinear(3, 2, 4, 8)
    >>> layer(torch.randn(2, 6, 6, 6, 4)).shape, layer.maps
    (torch.Size([2, 6, 6, 8]), 52)
    """

    def __init__(self, order_in: int, order_out: int, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(order_in, order_out, in_channels, out_channels, bias)

    def forward(
        self, x: Float[Tensor, "*entries in"], mask: Bool[Tensor, "*sets"] | None = None, size: int | None = None
    ) -> Float[Tensor, "*out_entries out"]:
        """The linear map.

        Args:
            x: tensors of order k.
            mask: ``[..., n]``, true at points; what stands at padding does not matter, and y is zero there.
            size: n, for order 0 without a mask.
        """
        orders = self.order_in, self.order_out
        batch, points = sets_of(x, mask, size, orders, self.in_channels, self)
        flat = x.reshape(math.prod(batch), *x.shape[len(batch) :])
        there = None if mask is None else mask.reshape(math.prod(batch), points)
        out = self._map(_without_padding(flat, self.order_in, there), there, points, self.weight, self.bias)
        return out.reshape(*batch, *out.shape[1:])

    def _map(self, x: Tensor, mask: Tensor | None, size: int, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The map of ``[sets, n.., C]``, with weights and constants of its own."""
        points = size if mask is None else mask.sum(1).clamp(min=1).to(x.dtype)
        spread: list[tuple[Piece, Tensor]] = []
        for level, part in enumerate(self.by_level(weight)):
            sources = [_contract(x, piece, points) for piece in self._sources[level]]
            stacked = torch.stack(sources, dim=-2)  # [sets, n (level times), contractions, in]
            terms = []
            for order, own in zip(self._matchings[level], part, strict=True):
                moved = stacked.permute(0, *(1 + axis for axis in order), level + 1, level + 2)
                terms.append(moved.flatten(-2) @ own.transpose(1, 2).flatten(2).flatten(0, 1))
            whole = torch.stack(terms).sum(0).unflatten(-1, (-1, weight.shape[-1]))
            spread += zip(self._targets[level], whole.unbind(-2), strict=True)
        if bias is not None:
            blank = x.new_zeros(x.shape[0], 1)
            spread += [(piece, blank + b) for piece, b in zip(self._constants, bias, strict=True)]
        shape = (x.shape[0], *[size] * self.order_out, weight.shape[-1])
        total = x.new_zeros(shape)
        for piece, values in spread:
            total = total + _spread(values, piece, size)
        return _without_padding(total, self.order_out, mask)

    @on_cpu
    def pattern(self, n: int) -> BasisPattern:
        """The sharing pattern of one pair of channels on n points: its columns are the maps B_m, as n^l x n^k matrices.

        Read off the fast form itself. The maps are independent for n >= k + l.
        """
        entries = n**self.order_in
        probes = torch.eye(entries, dtype=torch.float64).reshape(entries, *[n] * self.order_in, 1)
        each = torch.eye(self.maps, dtype=torch.float64).unsqueeze(1)
        with torch.no_grad():
            columns = self._map(probes, None, n, each, None).reshape(entries, -1, self.maps).transpose(0, 1)
        return BasisPattern(columns.reshape(-1, self.maps), (n**self.order_out, entries))

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """The maps on n points; without a call, on the fewest that tell all of them apart, n = k + l."""
        order = self.order_in + self.order_out
        n = max(1, order) if call is None else points_of(call, order=self.order_in) if order else 1
        pattern = self.pattern(n) if n**order <= LARGEST_PATTERN else None
        found = {"weight": SharedWeight(n**order * self.in_channels * self.out_channels, ("points",), pattern)}
        if self.bias is not None:
            found["bias"] = SharedWeight(n**self.order_out * self.out_channels, ("points",))
        return found


def _contract(x: Tensor, piece: Piece, points: int | Tensor) -> Tensor:
    """Entries whose indices are equal by blocks, and their mean over the blocks that are not kept: [sets, n.., C]."""
    letters = "".join(ascii_lowercase[b] for b in piece.blocks)
    kept = "".join(ascii_lowercase[b] for b in piece.kept)
    out = torch.einsum(f"y{letters}z->y{kept}z", x)
    over = len(piece.first) - len(piece.kept)
    if not over:
        return out
    if isinstance(points, Tensor):
        return out / (points**over).reshape(-1, *[1] * (out.ndim - 1))
    return out / max(1, points) ** over


def _spread(values: Tensor, piece: Piece, size: int) -> Tensor:
    """Values [sets, n.., C] at the entries whose indices are equal by blocks; what is not kept is broadcast."""
    order = len(piece.blocks)
    axes = [1] * order
    for block in piece.kept:
        axes[piece.first[block]] = size
    out = values.reshape(values.shape[0], *axes, values.shape[-1])
    where = torch.arange(size, device=values.device)
    for position, block in enumerate(piece.blocks):
        first = piece.first[block]
        if position != first:
            shape = [1] * (order + 1)
            shape[first] = shape[position] = size
            same = (where.unsqueeze(0) == where.unsqueeze(1)).reshape(shape)
            out = out * same.to(out.dtype)
    return out


def _without_padding(x: Tensor, order: int, mask: Tensor | None) -> Tensor:
    """Zero at the entries of [sets, n.., C] of which a point is padding."""
    if mask is None:
        return x
    for axis in range(order):
        shape = [mask.shape[0], *[1] * order, 1]
        shape[1 + axis] = mask.shape[1]
        x = x.masked_fill(~mask.reshape(shape), 0)
    return x
