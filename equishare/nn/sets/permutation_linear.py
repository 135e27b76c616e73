"""Every permutation-equivariant linear map between features of sets, points and pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from equishare.groups.on_cpu import on_cpu
from equishare.nn.layer import Layer, LayerError
from equishare.nn.sets.features import SetFeatures, points_of
from equishare.nn.sets.levels import (
    BROADCASTS,
    BROADCASTS_UNDIRECTED,
    CONTRACTIONS,
    CONTRACTIONS_UNDIRECTED,
    broadcast,
    contract,
    fill_padding,
)
from equishare.nn.sets.padding import sets_of
from equishare.sharing.basis_pattern import BasisPattern
from equishare.sharing.shared_weights import Call, SharedWeight

LARGEST_PATTERN = 10_000  # entries of a pair of channels' matrix that a report writes down


class PermutationLinear(Layer):
    r"""All linear maps from features of order k to features of order l that commute with permutations of the points, for k, l <= 2.

    Features of order 0 belong to the whole set ``[..., C]``, of order 1 to points ``[..., n, C]``, of order 2 to ordered pairs
    ``[..., n, n, C]`` (edges; the diagonal may hold the points). With :math:`\pi` acting on all indices of points,

    .. math:: y = \sum_m W_m\, B_m x + \sum_m b_m 1_m, \qquad f(\pi x) = \pi f(x) \text{, exact}

    where the maps :math:`B_m` are complete: their span is that of ``sharing.permutation_maps(n, k, l)``, for every n.

    ============  ====  ====  ====
    k -> l         0     1     2
    ============  ====  ====  ====
    0              1     1     2
    1              1     2     5
    2              2     5    15
    2 undirected   2     4     9  (and 4 from order 1 to symmetric pairs)
    ============  ====  ====  ====

    No n^l x n^k matrix is ever made: x is contracted to means (of diagonal, rows, columns, all), weights mix the channels of these, and
    the results are broadcast; time and memory are those of x and y. Means, not sums: one set of weights serves all n. Means are taken
    off what they are the means of, so that each weight has a part of x to itself, and starting values keep the second moment of
    features through a ReLU, for features that vary and for those that are constant.

    Args:
        order_in: k, 0 to 2.
        order_out: l, 0 to 2.
        in_channels: channels of x.
        out_channels: channels of y.
        bias: Add all constants that permutations leave alone: one a channel, and for order 2 one for the diagonal and one for the rest.
        undirected: Features of order 2 are symmetric, x_ij = x_ji; then so is y, with fewer maps.
        device: Where the weights live.
        dtype: Their precision.

    Attributes:
        weight: ``[maps, in_channels, out_channels]``.
        bias: ``[constants, out_channels]`` or None; the constants are the diagonal, then the rest.

    Raises:
        LayerError: an order is not 0, 1 or 2; the shape of x or of the mask does not fit; the number of points is not given.

    Maron, Ben-Hamu, Shamir, Lipman 2019, "Invariant and Equivariant Graph Networks".

    >>> layer = PermutationLinear(2, 2, 8, 16)
    >>> layer(torch.randn(3, 10, 10, 8)).shape, layer.weight.shape
    (torch.Size([3, 10, 10, 16]), torch.Size([15, 8, 16]))
    >>> from equishare import sharing
    >>> sharing.span_distance(layer.pattern(5), sharing.permutation_maps(5, 2, 2)) < 1e-9
    True
    """

    def __init__(
        self,
        order_in: int,
        order_out: int,
        in_channels: int,
        out_channels: int,
        bias: bool = True,
        *,
        undirected: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.rep_in, self.rep_out = SetFeatures(order_in, in_channels), SetFeatures(order_out, out_channels)
        if order_in not in (0, 1, 2) or order_out not in (0, 1, 2):
            raise LayerError(
                f"orders 0, 1 or 2 expected, got {order_in} and {order_out}: PermutationTensorLinear takes any"
            )
        self.order_in, self.order_out = order_in, order_out
        self.in_channels, self.out_channels = in_channels, out_channels
        self.undirected = undirected
        contractions = CONTRACTIONS_UNDIRECTED if undirected else CONTRACTIONS
        broadcasts = BROADCASTS_UNDIRECTED if undirected else BROADCASTS
        # level by level the number of pieces taken from x and given to y
        self._pieces = list(zip(contractions[order_in], broadcasts[order_out], strict=False))
        self._pieces_out = broadcasts[order_out]
        maps = sum(taken * given for taken, given in self._pieces)
        self.weight = nn.Parameter(torch.empty(maps, in_channels, out_channels, device=device, dtype=dtype))
        constants = torch.empty(self._pieces_out[0], out_channels, device=device, dtype=dtype)
        self.bias = nn.Parameter(constants) if bias else None
        self.reset_parameters()

    def reset_parameters(self, fan_in: Sequence[int] | None = None) -> None:
        """Draw weights that keep the second moment of features through a ReLU (He et al. 2015); the bias is zero.

        Args:
            fan_in: Numbers that meet in one of y's pieces, level by level, where other maps add to the same y.
        """
        with torch.no_grad():
            for level, part in enumerate(self._by_level(self.weight)):
                meeting = self.fan_in(level) if fan_in is None else fan_in[level]
                # an entry of order 2 is the sum of a row's and a column's piece of level 1
                ratio = max(1, self.order_in) / max(1, self.order_out) if level == 1 else 1
                part.normal_(std=math.sqrt(2 * ratio / max(meeting, 1)))
            if self.bias is not None:
                self.bias.zero_()

    def fan_in(self, level: int) -> int:
        """Numbers of x that meet in one of y's pieces on a level; 0 where x and y do not share it."""
        return self._pieces[level][0] * self.in_channels if level < len(self._pieces) else 0

    def _by_level(self, weight: Tensor) -> list[Tensor]:
        """Views [taken, given, in, out] of the weight."""
        parts = weight.split([taken * given for taken, given in self._pieces])
        return [part.unflatten(0, pieces) for part, pieces in zip(parts, self._pieces, strict=True)]

    def mix(
        self, levels: list[Tensor], size: int, weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """The pieces of y on levels 0, 1 and 2 from those of x, bias included: the step that holds the weights."""
        parts = self._by_level(self.weight if weight is None else weight)
        pairs = None
        if len(parts) == 3:
            pairs = levels[2] @ parts[2][0, 0]
            if not self.undirected:
                pairs = pairs + (levels[2] @ parts[2][1, 0]).transpose(-3, -2)
            parts = _without_means(parts)
        whole = levels[0] @ _joined(parts[0])
        if weight is None and self.bias is not None:
            whole = whole + self.bias.flatten()
        if len(parts) > 1:
            return whole, levels[1] @ _joined(parts[1]), pairs
        given = sum(self._pieces_out[1:2]) * (whole.shape[-1] // self._pieces_out[0])
        return whole, whole.new_zeros(*whole.shape[:-1], size, given), pairs

    def forward(
        self, x: Float[Tensor, "*entries in"], mask: Bool[Tensor, "*sets"] | None = None, size: int | None = None
    ) -> Float[Tensor, "*out_entries out"]:
        """The linear map.

        Args:
            x: Features of order k, ``[..., C]``, ``[..., n, C]`` or ``[..., n, n, C]``.
            mask: ``[..., n]``, true at points; what stands at padding does not matter, and y is zero there.
            size: n, for order 0 without a mask.
        """
        orders = self.order_in, self.order_out
        _, points = sets_of(x, mask, size, orders, self.in_channels, self)
        return self._map(x, mask, points, None)

    def _map(self, x: Tensor, mask: Tensor | None, size: int, weight: Tensor | None) -> Tensor:
        levels = contract(fill_padding(x, self.order_in, mask), self.order_in, mask, self.undirected)
        whole, points, pairs = self.mix(levels, size, weight)
        return fill_padding(broadcast(whole, points, pairs, self.order_out, self.undirected), self.order_out, mask)

    @on_cpu
    def pattern(self, n: int) -> BasisPattern:
        """The sharing pattern of one pair of channels on n points: its columns are the maps B_m, as n^l x n^k matrices.

        Read off the fast form itself. The maps are independent for n >= k + l. Undirected maps stand for their action on symmetric x.
        """
        maps = len(self.weight)
        one = PermutationLinear(self.order_in, self.order_out, 1, maps, False, undirected=self.undirected)
        entries = n**self.order_in
        probes = torch.eye(entries, dtype=torch.float64).reshape(entries, *[n] * self.order_in, 1)
        each = torch.eye(maps, dtype=torch.float64).unsqueeze(1)
        with torch.no_grad():
            columns = one._map(probes, None, n, each).reshape(entries, -1, maps).transpose(0, 1)
        return BasisPattern(columns.reshape(-1, maps), (n**self.order_out, entries))

    def full_weight(self, n: int) -> Float[Tensor, "out_entries in_entries"]:
        """The expanded matrix on flattened features, entries before channels; (n^l out) x (n^k in) numbers: for small n."""
        full = self.pattern(n).to(self.weight.device).expand(self.weight.permute(2, 1, 0))
        return full.permute(2, 0, 3, 1).flatten(2).flatten(0, 1)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """The maps on n points; without a call, on the fewest points that tell all of them apart, n = k + l."""
        order = max(self.order_in, self.order_out)
        return self.shared_on(
            self._fewest_points() if call is None else points_of(call, order=self.order_in) if order else 1
        )

    def _fewest_points(self) -> int:
        return max(1, self.order_in + self.order_out)

    def shared_on(self, n: int) -> dict[str, SharedWeight]:
        """What the weights fill on n points."""
        entries = n ** (self.order_in + self.order_out)
        pattern = self.pattern(n) if entries <= LARGEST_PATTERN else None
        found = {"weight": SharedWeight(entries * self.in_channels * self.out_channels, ("points",), pattern)}
        if self.bias is not None:
            found["bias"] = SharedWeight(n**self.order_out * self.out_channels, ("points",))
        return found

    def extra_repr(self) -> str:
        """Orders and channels."""
        kind = ", undirected" if self.undirected else ""
        return (
            f"{self.in_channels} -> {self.out_channels} channels, order {self.order_in} -> {self.order_out}{kind}, "
            f"{len(self.weight)} maps, bias={self.bias is not None}"
        )


def _joined(part: Tensor) -> Tensor:
    """Weights [taken, given, in, out] of a level as one matrix [taken * in, given * out]."""
    return part.transpose(1, 2).flatten(2).flatten(0, 1)


def _without_means(parts: list[Tensor]) -> list[Tensor]:
    """Weights of levels 0 and 1 from which what level 2 gives for the means of x_ij is taken off.

    Level 2 acts on x_ij - r_i - c_j - a off the diagonal; the means r, c and a are pieces of levels 1 and 0.
    """
    whole, points, pairs = parts
    straight, turned = pairs[0, 0], pairs[-1, 0]
    zero = torch.zeros_like(straight)
    if len(pairs) == 1:
        on_points, on_whole = [zero, zero, zero, straight], straight
    else:
        on_points = [zero, zero, zero, zero, straight, turned, zero, turned, straight]
        on_whole = straight + turned
    off_points = torch.stack(on_points).unflatten(0, points.shape[:2])
    off_whole = torch.stack([zero, zero, zero, on_whole]).unflatten(0, whole.shape[:2])
    return [whole - off_whole, points - off_points]
