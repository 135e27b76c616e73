"""What a check of a calculator can be told."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ase.calculators.calculator import BaseCalculator

from equishare.check.models.options import Progress, known_options, silent


@dataclass(frozen=True)
class CalculatorOptions:
    """Options of `calculator`.

    Attributes:
        samples: transformations per law, and half the number of directions for finite differences.
        scan: test smoothness along paths, some 300 evaluations.
        dynamics: test conservation of energy, about 300 evaluations.
        seed: of everything that is drawn.
        seconds: aim at an answer within so many seconds: what does not fit is left out, and said to be.
        against: another calculator that should give the same numbers, such as the same model on another device.
        progress: called with the fraction done and what is being done; first of all with the expected cost.
    """

    samples: int = 3
    scan: bool = True
    dynamics: bool = True
    seed: int = 0
    seconds: float | None = None
    against: BaseCalculator | None = None
    progress: Progress = silent

    @staticmethod
    def of(given: Mapping[str, Any]) -> "CalculatorOptions":
        """Take options by name; None for `progress` is silence.

        Raises:
            CheckError: there is no such option.
        """
        return CalculatorOptions(**known_options(given, [f.name for f in fields(CalculatorOptions)]))
