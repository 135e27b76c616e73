"""Heads: what a potential reads out of its features besides the energy, one file a head.

A new property is a row in `equishare.atoms.properties` and an entry here: the head that reads it, written against `Operations`.
"""

from collections.abc import Iterable, Iterator

from equishare.potential.config import ModelConfig
from equishare.potential.heads.dipole import DipoleHead
from equishare.potential.heads.energy import EnergyHead
from equishare.potential.heads.head import Head, State
from equishare.potential.heads.polarizability import PolarizabilityHead

__all__ = [
    "HEADS",
    "DipoleHead",
    "EnergyHead",
    "Head",
    "PolarizabilityHead",
    "State",
    "highest_degree",
    "make_heads",
]

HEADS: dict[str, type[Head]] = {
    "dipole": DipoleHead,
    "charges": DipoleHead,
    "polarizability": PolarizabilityHead,
}


def highest_degree(names: Iterable[str]) -> int:
    """Degree of the last layer's features that these heads need.

    >>> highest_degree([]), highest_degree(["dipole"])
    (0, 1)
    """
    return max((HEADS[name].degree for name in names), default=0)


def make_heads(config: ModelConfig, l_last: int) -> Iterator[tuple[str, Head]]:
    """(name, head) of the properties that are read out; one head serves all that it reads."""
    made: set[type[Head]] = set()
    for name in config.heads:
        kind = HEADS[name]
        if kind not in made:
            made.add(kind)
            yield kind.__name__.removesuffix("Head").lower(), kind(config, l_last)
