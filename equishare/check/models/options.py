"""What a check of a model can be told."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import torch

from equishare.check.errors import CheckError

Progress = Callable[[float, str], None]


def silent(fraction: float, message: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class NamedOptions:
    """Options that are given by their names."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Take options by name; None for `progress` is silence.

        Raises:
            CheckError: there is no such option, or fewer than one sample is asked for.

        Example:
            >>> Options.of({"seed": 3}).seed
            3
            >>> Options.of({"tolerence": 1e-6})
            Traceback (most recent call last):
            equishare.check.errors.CheckError: there is no option 'tolerence'; did you mean 'tolerance'?
        """
        names = [f.name for f in fields(cls)]
        for name in given:
            if name not in names:
                close = difflib.get_close_matches(name, names, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"
                raise CheckError(f"there is no option {name!r}; {hint}")
        samples = given.get("samples")
        if samples is not None and samples < 1:
            raise CheckError(f"samples should be 1 or more, got {samples}: what tries nothing proves nothing")
        return cls(**{name: value for name, value in given.items() if not (name == "progress" and value is None)})


@dataclass(frozen=True)
class Options(NamedOptions):
    """Options of `equivariance`.

    Attributes:
        samples: elements for each factor; by default 24 rotations and translations, 48 permutations, all of a
            small group.
        seed: of everything that is drawn; the same seed draws the same elements.
        tolerance: relative error that passes whatever the floor.
        dtype: cast a copy of the model and the inputs first.
        device: move a copy of the model and the inputs there first.
        gradients: test gradients too.
        localise: name the first module that breaks a symmetry that fails.
        seconds: aim at an answer within so many seconds, from fewer elements where that takes it.
        progress: called with the fraction done and what is being done; first of all with the expected cost.
    """

    samples: int | None = None
    seed: int = 0
    tolerance: float = 0.0
    dtype: torch.dtype | None = None
    device: torch.device | str | None = None
    gradients: bool = True
    localise: bool = True
    seconds: float | None = None
    progress: Progress = silent
