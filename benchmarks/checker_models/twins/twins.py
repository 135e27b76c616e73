"""A model that can be made broken or correct, its inputs, its claim, and the culprit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from equishare.check import Symmetry


@dataclass(frozen=True)
class Twins:
    """One way to break a model.

    Attributes:
        name: the mistake, in words.
        make: `make(broken, seed)` builds the broken model or its correct twin.
        inputs: `inputs(seed)` makes one input.
        symmetry: what the model claims.
        culprit: `culprit(seed)` is the dotted path of the module that is to blame.
        options: keyword arguments of the check.
        verdict: of the broken model.
    """

    name: str
    make: Callable[[bool, int], nn.Module]
    inputs: Callable[[int], Any]
    symmetry: Symmetry
    culprit: Callable[[int], str]
    options: dict[str, Any]
    verdict: str = "fail"


def seeded(make: Callable[..., nn.Module], seed: int, *arguments: nn.Module | None) -> nn.Module:
    """Make a model with weights that the seed draws."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make(*arguments)
