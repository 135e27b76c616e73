"""What a layer takes and gives, as far as the next layer must know."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Literal, Protocol, runtime_checkable

from equishare.errors import LayerError
from equishare.groups.orthogonal import o3
from equishare.groups.representation import Representation
from equishare.ops.layout import Layout


def require_whole(least: int = 1, **numbers: object) -> None:
    """Raise LayerError unless each number is a whole one from ``least`` up.

    >>> require_whole(channels=64 / 2)
    Traceback (most recent call last):
    equishare.errors.LayerError: channels: a whole number from 1 up expected, got 32.0
    """
    for name, n in numbers.items():
        if not isinstance(n, Integral) or n < least:
            raise LayerError(f"{name}: a whole number from {least} up expected, got {n!r}")


@runtime_checkable
class FeatureType(Protocol):
    """What symmetry does to features, as far as the next layer must know."""

    @property
    def kind(self) -> Literal["permutation", "signed", "matrix"]:
        """Whether symmetry moves whole numbers, moves them and turns signs, or mixes them."""

    @property
    def invariants(self) -> int | None:
        """The number of channels, if symmetry leaves every number alone; else None."""


FeatureTypes = FeatureType | tuple[FeatureType | None, ...] | None


@dataclass(frozen=True)
class Invariants:
    """Numbers that no symmetry moves, ``[..., channels]``: any function may follow.

    >>> Invariants(8).kind, fits(Invariants(8), Invariants(8))
    ('permutation', True)
    """

    channels: int

    def __post_init__(self) -> None:
        require_whole(channels=self.channels)

    @property
    def kind(self) -> Literal["permutation", "signed", "matrix"]:
        """Nothing is mixed."""
        return "permutation"

    @property
    def invariants(self) -> int:
        """The number of channels."""
        return self.channels

    def __repr__(self) -> str:
        return f"{self.channels} invariants"


def fits(given: FeatureTypes, taken: FeatureTypes) -> bool:
    """Whether a layer that takes ``taken`` may follow one that gives ``given``.

    They are equal, one of them names irreps of O(3) by a ``Layout`` and the other by a representation (in e3nn's flat layout they are the
    same), or both are as many numbers that no symmetry moves, one of them by ``Invariants``.

    >>> from equishare import groups
    >>> fits(8 * groups.cyclic(4).trivial(), Invariants(8)), fits(2 * groups.cyclic(4).regular(), Invariants(8))
    (True, False)
    >>> fits(Layout.of("8x0e + 4x1o"), groups.o3().irreps("8x0e + 4x1o"))
    True
    """
    if given is None or taken is None:
        return False
    if isinstance(given, Layout) and isinstance(taken, Representation):
        return o3().irreps(given.irreps) == taken
    if isinstance(given, Representation) and isinstance(taken, Layout):
        return fits(taken, given)
    if given == taken:
        return True
    if isinstance(given, tuple) or isinstance(taken, tuple):
        return False
    plain = isinstance(given, Invariants) or isinstance(taken, Invariants)
    return plain and given.invariants is not None and given.invariants == taken.invariants


def said(features: FeatureTypes) -> str:
    """In a line; nothing for what has no law."""
    if isinstance(features, tuple):
        return ", ".join(said for said in map(said, features) if said)
    return "" if features is None else str(features)
