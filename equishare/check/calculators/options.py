"""What a check of a calculator can be told."""

from dataclasses import dataclass

from ase.calculators.calculator import BaseCalculator

from equishare.check.models.options import NamedOptions, Progress, silent


@dataclass(frozen=True)
class CalculatorOptions(NamedOptions):
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
