"""Every permutation-equivariant linear map between sparse tensors of any order, such as the edges of a graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from equishare.nn.layer import LayerError
from equishare.nn.sets.permutation_tensor_linear import TensorMaps
from equishare.nn.sets.tensor_maps import Piece
from equishare.sharing.shared_weights import Call, SharedWeight


class SparseTensorLinear(TensorMaps):
    r"""All linear maps from features of k-tuples to features of l-tuples that commute with permutations, on those tuples that there are.

    The maps of ``PermutationTensorLinear``, restricted: x has a row for each of some k-tuples of points (edges, triangles, paths), y one
    for each of some l-tuples. A mean is over the tuples that there are, so that with all tuples the layer is the dense one, weight for
    weight. Law: f(x, pi T) = f(x, T), and rows follow the order of their tuples: exact. Time and memory are linear in the number of tuples
    (up to a sort). One call takes a batch of graphs, by the graph of each point.

    Args:
        order_in: k.
        order_out: l.
        in_channels: channels of x.
        out_channels: channels of y.
        bias: add all constants that permutations leave alone, Bell(l) a channel.

    Shapes:
        x ``[m, in_channels]``, tuples ``[k, m]``, out_tuples ``[l, p]`` -> ``[p, out_channels]``; for l = 0 a row a graph.

    Raises:
        LayerError: an order is negative, or the shapes do not fit.

    Maron et al. 2019, "Invariant and Equivariant Graph Networks"; Albooyeh, Bertolini & Ravanbakhsh 2019, "Incidence networks".

    >>> edges = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> layer = SparseTensorLinear(2, 2, 3, 8)
    >>> layer(torch.randn(4, 3), edges).shape
    torch.Size([4, 8])
    >>> SparseTensorLinear(2, 1, 3, 8)(torch.randn(4, 3), edges, torch.arange(3)[None]).shape        # edges to points
    torch.Size([3, 8])
    """

    def __init__(self, order_in: int, order_out: int, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(order_in, order_out, in_channels, out_channels, bias)

    def forward(
        self,
        x: Float[Tensor, "tuples in"],
        tuples: Int[Tensor, "k tuples"],
        out_tuples: Int[Tensor, "l rows"] | None = None,
        graph: Int[Tensor, " points"] | None = None,
        graphs: int = 1,
    ) -> Float[Tensor, "rows out"]:
        """The linear map.

        Args:
            x: features of the tuples.
            tuples: points of each.
            out_tuples: tuples that y is asked for; the same ones by default.
            graph: the graph of each point, for several graphs at once; of order 0, tuples are ``[0, graphs]``.
            graphs: their number.
        """
        wanted = self._wanted(x, tuples, out_tuples, graphs)
        owner = None if graph is None else (self._owner(tuples, graph), self._owner(wanted, graph))
        out = x.new_zeros(wanted.shape[1], self.out_channels)
        for level, part in enumerate(self.by_level(self.weight)):
            for piece, by_piece in zip(self._sources[level], part.unbind(1), strict=True):
                table = _Table.of(x, tuples, piece, None if owner is None else owner[0])
                for order, by_order in zip(self._matchings[level], by_piece.unbind(0), strict=True):
                    for target, weight in zip(self._targets[level], by_order.unbind(0), strict=True):
                        # the axis of y's block number a is the contracted tensor's axis number order[a]
                        kept = [target.first[target.kept[order.index(a)]] for a in range(level)]
                        found = table.look_up(wanted, kept, None if owner is None else owner[1])
                        out = out + _equal(wanted, target, found) @ weight
        if self.bias is not None:
            ones = out.new_ones(out.shape[0], 1)
            for piece, constant in zip(self._constants, self.bias, strict=True):
                out = out + _equal(wanted, piece, ones) * constant
        return out

    def _wanted(self, x: Tensor, tuples: Tensor, out_tuples: Tensor | None, graphs: int) -> Tensor:
        """The tuples of the output, of inputs that fit."""
        if x.ndim != 2 or x.shape[1] != self.in_channels or tuple(tuples.shape) != (self.order_in, x.shape[0]):
            raise LayerError(
                f"{type(self).__name__}: features [m, {self.in_channels}] and tuples [{self.order_in}, m] expected, got "
                f"{list(x.shape)} and {list(tuples.shape)}"
            )
        self.require_numbers(x, tuples=tuples, out_tuples=out_tuples)
        if out_tuples is None and self.order_out == 0:
            return tuples.new_empty(0, graphs)
        wanted = tuples if out_tuples is None else out_tuples
        if tuples.dtype != torch.int64 or wanted.dtype != torch.int64:
            raise LayerError(f"{type(self).__name__}: int64 tuples expected, got {tuples.dtype} and {wanted.dtype}")
        if wanted.ndim != 2 or wanted.shape[0] != self.order_out:
            raise LayerError(
                f"{type(self).__name__}: out_tuples [{self.order_out}, p] expected, got {list(wanted.shape)}"
            )
        return wanted

    @staticmethod
    def _owner(tuples: Tensor, graph: Tensor) -> Tensor:
        """The graph of each tuple; without points, its place."""
        return graph[tuples[0]] if len(tuples) else torch.arange(tuples.shape[1], device=tuples.device)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """Each weight goes from tuples to tuples; without a call one of each."""
        rows, out = (1, 1) if call is None else (call.inputs[0][0], call.output[0])
        found = {"weight": SharedWeight(rows * out * self.in_channels * self.out_channels, ("points",))}
        if self.bias is not None:
            found["bias"] = SharedWeight(out * self.out_channels, ("points",))
        return found


class _Table:
    """Means of x over the tuples that agree at some indices, to be looked up by these."""

    def __init__(self, keys: list[Tensor], means: Tensor) -> None:
        self.keys, self.means = keys, means

    @staticmethod
    def of(x: Tensor, tuples: Tensor, piece: Piece, owner: Tensor | None) -> _Table:
        """Of one contraction."""
        keys = [tuples[piece.first[b]] for b in piece.kept]
        keys = keys if owner is None else [owner, *keys]
        there = _equal(tuples, piece, x.new_ones(x.shape[0], 1))
        return _Table(keys, torch.cat([x * there, there], dim=1))

    def look_up(self, wanted: Tensor, kept: Sequence[int], owner: Tensor | None) -> Tensor:
        """The mean for each of some tuples; zero where there is none."""
        asked = [wanted[k] for k in kept]
        asked = asked if owner is None else [owner, *asked]
        if not asked:
            total = self.means.sum(0, keepdim=True)
            rows = total.expand(wanted.shape[1], -1)
        else:
            number, count = _numbered(self.keys, asked)
            size = self.means.shape[0]
            sums = self.means.new_zeros(count, self.means.shape[1]).index_add(0, number[:size], self.means)
            rows = sums[number[size:]]
        return rows[:, :-1] / rows[:, -1:].clamp(min=1)


def _numbered(known: Sequence[Tensor], asked: Sequence[Tensor]) -> tuple[Tensor, int]:
    """A number for each different key, known ones first, then those asked for, and a bound on the numbers that no data tell."""
    number = torch.zeros_like(torch.cat([known[0], asked[0]]))
    for a, b in zip(known, asked, strict=True):
        column = torch.cat([a, b])
        largest = torch.cat([column, column.new_zeros(1)]).max()
        order = torch.argsort(number * (largest + 1) + column)
        ordered = (number * (largest + 1) + column)[order]
        number = torch.zeros_like(number).scatter(0, order, (ordered != ordered.roll(1)).long().cumsum(0))
    return number, number.shape[0] + 1


def _equal(tuples: Tensor, piece: Piece, x: Tensor) -> Tensor:
    """X at the tuples whose points are equal by blocks, zero elsewhere."""
    for position, block in enumerate(piece.blocks):
        first = piece.first[block]
        if position != first:
            x = x * (tuples[position] == tuples[first]).unsqueeze(1).to(x.dtype)
    return x
