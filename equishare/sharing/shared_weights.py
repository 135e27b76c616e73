"""What a layer with tied weights says about them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import nn

from equishare.sharing.pattern import SharingPattern


class SharedWeight(NamedTuple):
    """One parameter of base weights.

    Attributes:
        pattern: how one set of base weights becomes a full weight.
        copies: how many sets the parameter holds.
        spatial: whether the full weight is used again at every position of the output.
    """

    pattern: SharingPattern
    copies: int
    spatial: bool


class SharedWeights(nn.Module, ABC):
    """A module that declares its tied weights, so that reports can count them."""

    @abstractmethod
    def shared_weights(self) -> dict[str, SharedWeight]:
        """The patterns of its own parameters, by their names."""
