"""What a layer with shared weights says about them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import nn

from equishare.sharing.pattern import SharingPattern


class Call(NamedTuple):
    """The shapes of one call of a layer.

    Attributes:
        inputs: of the tensors that it was given, in their order.
        output: of the tensor that it returned, or of the first one.
    """

    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]


class SharedWeight(NamedTuple):
    """One parameter of base weights: how many entries of the untied tensor it fills.

    Attributes:
        untied: entries of the untied tensor that the whole parameter fills, in one call.
        how: why there are more entries than base weights, in a word or two: "pattern", "translations", "atoms".
        pattern: how one set of base weights becomes a full weight, where that is small enough to write down.
    """

    untied: int
    how: tuple[str, ...]
    pattern: SharingPattern | None = None

    @staticmethod
    def of(pattern: SharingPattern, copies: int = 1, positions: int = 1, again: str = "translations") -> SharedWeight:
        """A parameter that holds sets of base weights, each expanded by a pattern.

        Args:
            pattern: from one set of base weights to a full weight.
            copies: how many sets the parameter holds.
            positions: how many times one call uses the full weight, such as the output positions of a convolution.
            again: what these positions are: "translations", "points", "atoms", "edges".

        >>> import torch
        >>> from equishare.sharing import IndexPattern
        >>> SharedWeight.of(IndexPattern(torch.tensor([0, 0, 1])), copies=2, positions=10).untied
        60
        """
        how = ("pattern", again) if positions > 1 else ("pattern",)
        return SharedWeight(copies * pattern.numel * positions, how, pattern)


class SharedWeights(nn.Module, ABC):
    """A module that says which of its weights are shared, so that reports can count them.

    Attributes:
        uses: how often one call of the module uses the weights of its submodules: the depth of tied layers, 2 for twins.
    """

    uses: int = 1

    @abstractmethod
    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """What each shared parameter fills, by its name; dotted names are parameters of submodules.

        Args:
            call: the shapes of one call, where an example was run; the number of positions, points or edges is known
                from it. Without it each position counts once.
        """


def used_again(module: nn.Module, name: str, times: int, again: str) -> dict[str, SharedWeight]:
    """Each parameter of a submodule that one call of its owner uses several times, at points, atoms or edges.

    >>> used_again(nn.Linear(2, 3), "key", 10, "points")["key.weight"].untied
    60
    """
    return {
        f"{name}.{path}": SharedWeight(times * parameter.numel(), (again,))
        for path, parameter in module.named_parameters()
    }
