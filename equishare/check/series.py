"""The elements that a check tries one after another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

from equishare.check.element import Element
from equishare.check.report import TOGETHER
from equishare.check.symmetry import Factor, Setting


@dataclass(frozen=True)
class Series:
    """Numbered elements.

    Attributes:
        name: of the factor they come from.
        count: how many there are.
        exhaustive: whether they are a whole group.
        element: makes the element of a number.
    """

    name: str
    count: int
    exhaustive: bool
    element: Callable[[int], Element]


def alone(factor: Factor, setting: Setting, seed: int, samples: int | None) -> Series:
    """Return the elements of one factor: all of a small group, else `samples` or as many as the factor wants."""
    count = factor.size or samples or factor.samples
    return Series(factor.name, count, factor.size == count, lambda number: factor.element(seed, setting, number))


def together(factors: Sequence[Factor], setting: Setting, seed: int, samples: int | None) -> Series:
    """Return products of one element of each factor: one evaluation tests all of them.

    A model that respects every factor respects the products, and one that breaks a factor breaks almost all
    products with it. Factors that move the same thing (rotations and reflections) take turns, so that each has as many
    elements in the series as it would have alone.
    """
    series = [alone(f, setting, seed, samples) for f in factors]
    turns: list[list[Series]] = []
    for one in series:
        parts = one.element(0).parts
        rival = next((t for t in turns if parts & frozenset().union(*(s.element(0).parts for s in t))), None)
        if rival is None:
            turns.append([one])
        else:
            rival.append(one)

    def element(number: int) -> Element:
        chosen = (t[number % len(t)].element(number // len(t)) for t in turns)
        return reduce(Element.combined, chosen)

    return Series(TOGETHER, max(len(t) * max(s.count for s in t) for t in turns), False, element)
