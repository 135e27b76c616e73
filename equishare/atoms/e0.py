"""E0: the energy of each species on its own, which a potential need not learn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from equishare.atoms.composition import composition_of
from equishare.atoms.frame import Frame, species_counts
from equishare.atoms.properties import conditions
from equishare.errors import EquishareError

__all__ = ["ReferenceEnergies", "ReferenceEnergyError", "reference_energies"]

Origin = Literal["given", "isolated atom", "least squares"]


class ReferenceEnergyError(EquishareError):
    """A species has no reference energy, or contradicting ones."""


@dataclass(frozen=True)
class ReferenceEnergies:
    """E0 of each species in eV, with where it comes from; immutable.

    >>> e0 = ReferenceEnergies({"H": -13.6, "O": -430.0}, {"H": "given", "O": "given"})
    >>> e0["H"], e0.total(Atoms("H2O"))
    (-13.6, -457.2)
    """

    values: Mapping[str, float]
    origins: Mapping[str, Origin]
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        for name in ("values", "origins"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __getitem__(self, species: str) -> float:
        """E0 of one species in eV.

        Raises:
            ReferenceEnergyError: there is none.
        """
        if species not in self.values:
            raise ReferenceEnergyError(
                f"no reference energy for {species}; there are: {', '.join(self.values) or 'none'}. Add a "
                f"frame of the isolated atom, give its energy, or train on frames with {species}"
            )
        return self.values[species]

    def total(self, atoms: Atoms | Frame) -> float:
        """Sum of E0 over the atoms, in eV.

        Raises:
            ReferenceEnergyError: a species has no E0.
        """
        return float(sum(count * self[symbol] for symbol, count in composition_of(atoms.numbers).counts.items()))


def reference_energies(
    frames: Sequence[Frame],
    isolated: Iterable[Frame] = (),
    given: Mapping[str, float] | None = None,
) -> ReferenceEnergies:
    r"""E0 of every species in `frames`: as given, else from its isolated atom, else by least squares.

    The fit takes $\min_{E_0} \sum_f ((E_f - \sum_s n_{fs} E_{0s}) / N_f)^2$ over the species that are left,
    with the least norm where the compositions leave it open; a note then says so.

    Args:
        frames: the training frames.
        isolated: frames of isolated atoms, see `split_isolated`.
        given: E0 in eV by chemical symbol.

    Raises:
        ReferenceEnergyError: a symbol is unknown, a value is not finite, two isolated atoms of one species
            differ, or no frame has an energy to fit to.

    >>> from equishare.atoms import Frame
    >>> frames = [Frame(Atoms("H2"), energy=-2.0), Frame(Atoms("OH2"), energy=-12.0)]
    >>> {s: round(e, 6) for s, e in reference_energies(frames).values.items()}
    {'H': -1.0, 'O': -10.0}
    """
    values: dict[str, float] = {}
    origins: dict[str, Origin] = {}
    notes: list[str] = []
    for symbol, value in (given or {}).items():
        if symbol not in atomic_numbers or symbol == "X" or not math.isfinite(value):
            raise ReferenceEnergyError(f"expected E0s such as {{'H': -13.6}} in eV, got {symbol!r}: {value!r}")
        values[symbol], origins[symbol] = float(value), "given"
    _add_isolated(isolated, values, origins, notes)
    species, _ = species_counts(frames)
    missing = [s for s in species if s not in values]
    if missing:
        if values:
            notes.append(f"only {', '.join(values)} known; fitted to what they leave: {', '.join(missing)}")
        values.update(_fit(frames, missing, values, notes))
        origins.update(dict.fromkeys(missing, "least squares"))
    order = sorted(values, key=atomic_numbers.__getitem__)
    return ReferenceEnergies({s: values[s] for s in order}, {s: origins[s] for s in order}, tuple(notes))


def _add_isolated(
    isolated: Iterable[Frame], values: dict[str, float], origins: dict[str, Origin], notes: list[str]
) -> None:
    seen: dict[str, Frame] = {}
    for frame in isolated:
        symbol = next(iter(frame.composition.counts))
        if frame.energy is None or not math.isfinite(frame.energy):
            notes.append(f"{frame.name}: the isolated {symbol} has no energy and is left out")
            continue
        ion = [
            row for row in conditions() if row.none_in_e0 and frame.conditions.get(row.name, row.default) != row.default
        ]
        if ion:
            notes.append(f"{frame.name}: the isolated {symbol} has a {ion[0].name} and is left out")
            continue
        first = seen.setdefault(symbol, frame)
        if first.energy is None or abs(first.energy - frame.energy) < 1e-3:
            continue
        if first.conditions == frame.conditions:
            raise ReferenceEnergyError(
                f"the isolated {symbol} has two energies: {first.energy:.6g} eV in {first.name} and "
                f"{frame.energy:.6g} eV in {frame.name}; keep the one computed as the other frames were"
            )
        seen[symbol] = min(first, frame, key=lambda f: f.energy or 0.0)
        notes.append(f"the isolated {symbol} has several states; E0 is the lowest energy, that of {seen[symbol].name}")
    for symbol, frame in seen.items():
        if symbol not in values and frame.energy is not None:
            values[symbol], origins[symbol] = frame.energy, "isolated atom"


def _fit(
    frames: Sequence[Frame], missing: Sequence[str], known: Mapping[str, float], notes: list[str]
) -> dict[str, float]:
    labelled = [frame for frame in frames if frame.has("energy") and frame.n_atoms]
    species, counts = species_counts(labelled)
    sizes = np.array([frame.n_atoms for frame in labelled], dtype=float)
    rest = np.array([(frame.energy or 0.0) - frame.composition.total(known) for frame in labelled])
    matrix = np.array([counts[:, species.index(s)] / sizes if s in species else 0.0 * sizes for s in missing]).T
    target = rest / sizes
    if not matrix.any(axis=0).all():
        raise ReferenceEnergyError(
            f"E0 of {', '.join(missing)} is to be fitted, but no frame with it has an energy; add frames of "
            "the isolated atoms, give the E0s, or check the energy key"
        )
    solution, _, rank, _ = np.linalg.lstsq(matrix, target, rcond=1e-8)
    if rank < len(missing):
        notes.append(
            f"the compositions fix only {rank} of the {len(missing)} energies {', '.join(missing)}: the fit "
            "with the least norm is taken, which serves frames of these compositions and no others"
        )
    return dict(zip(missing, solution.tolist(), strict=True))
