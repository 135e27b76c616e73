"""How permutations act on features of sets and graphs of any size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from equishare.groups.representation import Representation
from equishare.groups.symmetric import symmetric
from equishare.nn.feature_types import require_whole
from equishare.sharing.shared_weights import Call


@dataclass(frozen=True)
class SetFeatures:
    """Features of order k: ``channels`` numbers for each k-tuple of points, ``[..., n (k times), channels]``, for every n.

    Attributes:
        order: 0 for the whole set, 1 for points, 2 for ordered pairs.
        channels: numbers of each tuple.

    Raises:
        LayerError: no order or no number of channels.

    >>> SetFeatures(2, 8).on(5).size          # 25 pairs, 8 channels
    200
    """

    order: int
    channels: int

    def __post_init__(self) -> None:
        require_whole(0, order=self.order)
        require_whole(channels=self.channels)

    @property
    def kind(self) -> Literal["permutation", "signed", "matrix"]:
        """Points are permuted."""
        return "permutation"

    @property
    def invariants(self) -> int | None:
        """The number of channels, for features of the whole set."""
        return self.channels if self.order == 0 else None

    def on(self, n: int) -> Representation:
        """The representation of S_n on the flattened features of n points, channels fastest."""
        group = symmetric(n)
        rep: Representation = self.channels * group.trivial()
        for _ in range(self.order):
            rep = group.permutation() * rep
        return rep

    def __repr__(self) -> str:
        what = {0: "set", 1: "points", 2: "pairs"}.get(self.order, f"order {self.order}")
        return f"{self.channels} channels of {what}"


def points_of(call: Call | None, position: int = 0, order: int = 1) -> int:
    """Points of the set that was given as one of the tensors of a call; 1 without a call.

    Args:
        call: shapes of a call.
        position: of the tensor among those that were given.
        order: of its features; at 0 they are of the whole set, and the output tells the points.
    """
    if call is None:
        return 1
    shape = call.inputs[position] if order > 0 and len(call.inputs) > position else call.output
    return shape[-2] if len(shape) > 1 else 1
