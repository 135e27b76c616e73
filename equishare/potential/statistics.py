"""What a potential takes from its training data, in one record."""

from collections.abc import Iterable, Mapping
from typing import Any

from ase.data import atomic_numbers
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Statistics(BaseModel):
    """Constants of a potential that come from its training frames; eV and Å.

    Elements come in the order of their atomic numbers, whatever the order given.

    Raises:
        ValueError: for no elements, unknown symbols, or lengths that are not positive.

    >>> found = Statistics(reference_energies={"O": -430.0, "H": -13.6}, shift={"O": -1.0})
    >>> found.species, found.shift
    (('H', 'O'), {'H': 0.0, 'O': -1.0})
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference_energies: dict[str, float] = Field(description="E0 in eV of each element: the elements it knows")
    scale: float = Field(1.0, description="unit of the network's energies in eV: the RMS of the forces in eV/Å")
    shift: dict[str, float] = Field(default_factory=dict, description="mean energy in eV of each element when bonded")
    neighbours: float = Field(12.0, ge=0, description="mean number of neighbours within the cutoff")
    spacing: float = Field(1.2, gt=0, description="mean distance in Å of an atom to its nearest neighbour")
    levels: dict[str, dict[str, float]] = Field(
        default_factory=dict,
        description="by method, what its E0 and shift are above the first method's: energy in eV of each element",
    )
    min_distance: dict[str, float] = Field(
        default_factory=dict, description="shortest distance in Å of pairs of elements, such as {'C-H': 1.0}"
    )

    @model_validator(mode="before")
    @classmethod
    def _complete_shift(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or "reference_energies" not in values:
            return values
        known, shift = values["reference_energies"], values.get("shift") or {}
        unknown = [symbol for symbol in (*known, *shift) if symbol not in atomic_numbers]
        if unknown or not known:
            raise ValueError(f"expected the reference energy of at least one element by its symbol, got {unknown}")
        levels = {
            name: {symbol: level.get(symbol, 0.0) for symbol in known}
            for name, level in (values.get("levels") or {}).items()
        }
        return {**values, "shift": {symbol: shift.get(symbol, 0.0) for symbol in known}, "levels": levels}

    @field_validator("levels")
    @classmethod
    def _levels_in_order(cls, values: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        return {name: cls._in_order(level) for name, level in values.items()}

    @field_validator("reference_energies", "shift")
    @classmethod
    def _in_order(cls, values: dict[str, float]) -> dict[str, float]:
        return dict(sorted(values.items(), key=lambda item: atomic_numbers[item[0]]))

    def isolated(self, symbols: Iterable[str], method: str = "") -> float:
        """Energy of the atoms on their own in eV, on the level of a method."""
        level = self.levels.get(method, {})
        return float(sum(self.reference_energies[s] + level.get(s, 0.0) for s in symbols))

    @property
    def species(self) -> tuple[str, ...]:
        """Elements, by atomic number."""
        return tuple(self.reference_energies)

    @property
    def numbers(self) -> list[int]:
        """Their atomic numbers."""
        return [atomic_numbers[symbol] for symbol in self.species]

    @classmethod
    def of(cls, given: "Statistics | Mapping[str, float]") -> "Statistics":
        """A record as it is; of bare reference energies one with default values."""
        return given if isinstance(given, Statistics) else cls(reference_energies=dict(given))
