"""What an output may be."""

from dataclasses import dataclass

from equishare.check.models.symmetry.transform import Transform


@dataclass(frozen=True)
class Readings:
    """Types that an output may have, the likeliest first.

    Attributes:
        options: the types; none for an output that is not tested.
        settled: the type was given, or the output's name says it; else it is guessed from the shape.
        foreign: the output has a name that says nothing: it may be anything, of a type that is not listed too.
    """

    options: tuple[Transform, ...]
    settled: bool = False
    foreign: bool = False
