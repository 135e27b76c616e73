"""Do vectors of charge times length, and charges of atoms, belong to these atoms? Units, direction and sums."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from ase.data import chemical_symbols
from ase.units import Debye

from equishare.atoms.checks.findings import DataFinding
from equishare.atoms.checks.part import Part, concerning
from equishare.atoms.frame import Frame, species_counts
from equishare.atoms.properties import PROPERTIES, Property, outputs

__all__ = ["check_charges"]

# Pauling's electronegativities; a bond's electrons go to the larger
_ELECTRONEGATIVITY = {
    1: 2.20, 3: 0.98, 5: 2.04, 6: 2.55, 7: 3.04, 8: 3.44, 9: 3.98, 11: 0.93, 12: 1.31, 13: 1.61, 14: 1.90, 15: 2.19, 16: 2.58, 17: 3.16,
    19: 0.82, 20: 1.00, 34: 2.55, 35: 2.96, 53: 2.66,
}  # fmt: skip
_CHARGE = 2.0  # e: effective charges of covalent molecules stay below it
_POLAR = {7, 8, 9, 17}  # bound to hydrogen, they leave no doubt where plus is
_FITTED = 0.6  # share of a vector's square that charges of the species explain
_OFF = 0.05  # e: charges sum to the total charge, but for rounding


def check_charges(part: Part) -> Iterator[DataFinding]:
    """Vectors in Debye, or that point the other way, by the charges of species that explain them; charges that do not sum up."""
    for row in outputs():
        labelled = [f for f in part.sound_frames if f.has(row.name)]
        if row.unit == "e·Å" and row.shape == (3,) and not row.per_atom:
            yield from _vectors(row, [f for f in labelled if not any(f.pbc)], part.name)
        elif row.unit == "e" and row.per_atom:
            yield from _sums(row, labelled, part.name)


def _vectors(row: Property, frames: Sequence[Frame], part: str) -> Iterator[DataFinding]:
    species = sorted({int(z) for each in {f.composition for f in frames} for z in each.numbers})
    if len(frames) < 10 or len(species) < 2 or not set(species) <= set(_ELECTRONEGATIVITY):
        return
    # charges that sum to nothing see positions about the centre of the atoms only
    matrix = np.concatenate([_moments(f, species) for f in frames])
    target = np.concatenate([f.label(row.name) for f in frames])
    if not target.any():
        return
    charges = np.linalg.lstsq(matrix, target, rcond=1e-6)[0]
    if np.square(matrix @ charges - target).sum() > (1.0 - _FITTED) * np.square(target).sum():
        return
    counts = species_counts(frames)[1].sum(axis=0)
    charges -= counts @ charges / counts.sum()
    taste = np.array([_ELECTRONEGATIVITY[z] for z in species])
    along = float(counts @ (charges * (taste - counts @ taste / counts.sum())))
    largest = float(np.abs(charges).max())
    said, factor = [], 1.0
    spread = float(np.sqrt((counts @ charges**2) * (counts @ (taste - counts @ taste / counts.sum()) ** 2)))
    if along > 0.5 * spread and 1 in species and _POLAR & set(species):
        said, factor = ["points the other way"], -1.0
    if largest > _CHARGE and largest * Debye < _CHARGE:
        said, factor = [*said, "looks like Debye"], factor * Debye
    if said:
        yield from concerning(
            "warning",
            f"units-{row.name}",
            part,
            frames,
            f"the {row.name} {' and '.join(said)}: the charges that explain it best are "
            + ", ".join(f"{chemical_symbols[z]} {q:+.2f}" for z, q in zip(species, charges, strict=True))
            + " e (#)",
            f"multiply it by {factor:.6g} to have e·Å, from minus to plus, if so",
        )


def _moments(frame: Frame, species: Sequence[int]) -> np.ndarray:
    centred = frame.positions - frame.positions.mean(axis=0)
    return np.stack([centred[frame.numbers == z].sum(axis=0) for z in species], axis=1)


def _sums(row: Property, frames: Sequence[Frame], part: str) -> Iterator[DataFinding]:
    total = next(r for r in PROPERTIES.values() if r.role == "condition" and r.unit == "e")
    off = [f for f in frames if abs(_sum(f, row) - float(f.conditions.get(total.name, total.default or 0))) > _OFF]
    worst = max((_sum(f, row) for f in off), key=abs, default=0.0)
    yield from concerning(
        "warning",
        f"sum-{row.name}",
        part,
        off,
        f"the {row.name} do not sum to the total {total.name} in # (up to {worst:.3g} e)",
        f"is another {total.name} meant, or are atoms left out?",
    )


def _sum(frame: Frame, row: Property) -> float:
    return float(np.nansum(frame.label(row.name)))
