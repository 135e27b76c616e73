"""The elements that a check tries one after another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from equishare.check.models.symmetry.element import Element
from equishare.check.models.symmetry.symmetry import Factor, Setting
from equishare.check.reports.symmetry_report import TOGETHER


@dataclass(frozen=True)
class Series:
    """Numbered elements.

    Attributes:
        name: of the factor they come from.
        numbers: which of the factor's elements, in the order in which they are tried.
        exhaustive: whether they are a whole group.
        element: makes the element of a number.
    """

    name: str
    numbers: Sequence[int]
    exhaustive: bool
    element: Callable[[int], Element]

    def __len__(self) -> int:
        return len(self.numbers)

    def first(self, count: int) -> "Series":
        """Return the series with its first elements alone."""
        kept = list(self.numbers)[:count]
        return replace(self, numbers=kept, exhaustive=self.exhaustive and len(kept) == len(self))

    def starting_with(self, number: int | None, length: int) -> "Series":
        """Return a shorter series, with one number first."""
        first = [n for n in (number,) if n is not None]
        kept = (first + [n for n in self.numbers if n not in first])[:length]
        return Series(self.name, kept, self.exhaustive and len(kept) == len(self), self.element)


@dataclass(frozen=True)
class Products(Series):
    """Products of one element of each factor.

    Attributes:
        parts: for a number, the number of the element of each factor that is in the product.
    """

    parts: Callable[[int], Mapping[str, int]]


def alone(factor: Factor, setting: Setting, seed: int, samples: int | None) -> Series:
    """Return the elements of one factor: all of a small group, else `samples` or as many as the factor wants."""
    count = factor.size or samples or factor.samples
    return Series(factor.name, range(count), factor.size == count, lambda number: factor.element(seed, setting, number))


def together(series: Sequence[Series]) -> Products:
    """Return products of one element of each series: one evaluation tests all of them.

    A model that respects every factor respects the products, and one that breaks a factor breaks almost all
    products with it. Factors that move the same thing (rotations and reflections) take turns, so that each has as many
    elements among the products as it would have alone.
    """
    turns: list[list[Series]] = []
    for one in series:
        moved = one.element(0).parts
        rivals = next((t for t in turns if any(moved & s.element(0).parts for s in t)), None)
        if rivals is None:
            turns.append([one])
        else:
            rivals.append(one)

    def chosen(number: int) -> list[tuple[Series, int]]:
        return [(t[number % len(t)], number // len(t)) for t in turns]

    return Products(
        TOGETHER,
        range(max(len(t) * max(len(s) for s in t) for t in turns)),
        False,
        lambda number: reduce(Element.combined, (s.element(n) for s, n in chosen(number))),
        lambda number: {s.name: n for s, n in chosen(number)},
    )
