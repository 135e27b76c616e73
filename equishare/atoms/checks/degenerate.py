"""Labels that are all the same, or all nothing: numbers that nobody computed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from equishare.atoms.checks.findings import DataFinding
from equishare.atoms.checks.part import Part, concerning
from equishare.atoms.frame import Frame
from equishare.atoms.properties import Property, outputs

__all__ = ["check_degenerate"]

_REACH = 5.0  # Å
_ENOUGH = 3  # frames of one composition, in geometries that differ
_POLARITY = 0.05  # Å an atom: symmetry makes no vector of the structure vanish above it
_ASYMMETRY = 0.02  # of an atom's surroundings: symmetry makes no force vanish above it


def check_degenerate(part: Part) -> Iterator[DataFinding]:
    """Energies that do not change with the geometry, forces and other labels that are zero where nothing makes them so."""
    for row in outputs():
        labelled = [n for n in part.sound.tolist() if part.frames[n].has(row.name)]
        if row.per_atom:
            yield from _all_zero(row, [part.frames[n] for n in labelled], part.name)
        else:
            yield from _constant(row, part, labelled)


def _constant(row: Property, part: Part, labelled: Sequence[int]) -> Iterator[DataFinding]:
    same = [frame for group in _different_geometries(part, labelled) if _equal(row, group) for frame in group]
    if not same or len(same) < 0.5 * len(labelled):
        return
    value = np.ravel(same[0].label(row.name))
    shown = f"{value[0]:.6g}" if len(value) == 1 else f"{value[0]:.6g} ..."
    key = same[0].keys.get(row.name)
    yield from concerning(
        "error" if row.name == "energy" else "warning",
        f"constant-{row.name}",
        part.name,
        same,
        f"the {row.name} is the same, {shown}{f' (read from {key!r})' if key else ''}, in # whose geometries differ",
        f"nothing can be learnt from it: was it computed? if another column holds it, name it with --key {row.name}=COLUMN",
    )


def _equal(row: Property, frames: Sequence[Frame]) -> bool:
    values = np.array([np.ravel(f.label(row.name)) for f in frames])
    if not np.ptp(values, axis=0).max() <= 1e-9 * np.abs(values).max():
        return False
    # a vector may be nothing by symmetry
    return row.shape != (3,) or bool(values.any()) or any(_polarity(f) > _POLARITY for f in frames)


def _all_zero(row: Property, labelled: Sequence[Frame], part: str) -> Iterator[DataFinding]:
    zero = [f for f in labelled if f.n_atoms > 1 and not np.any(np.nan_to_num(f.label(row.name)))]
    strange = [f for f in zero if row.shape == () or _asymmetry(f) > _ASYMMETRY]
    if not strange or (row.shape == () and len(zero) < len(labelled)):
        return
    every = len(zero) == len(labelled) and len(strange) >= _ENOUGH
    yield from concerning(
        "error" if every and row.name == "forces" else "warning",
        f"zero-{row.name}",
        part,
        strange,
        f"the {row.name} {'is' if row.name != 'forces' and not row.name.endswith('s') else 'are'} exactly zero in #"
        + (", where no symmetry makes them so" if row.shape else ""),
        f"were they computed? remove them, or name the column with --key {row.name}=COLUMN",
    )


def _different_geometries(part: Part, chosen: Sequence[int]) -> Iterator[list[Frame]]:
    """Of the chosen frames those of one composition that are not all the same geometry."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for number in chosen:
        groups[part.frames[number].composition.ordered].append(number)
    measured = part.geometries
    # two numbers that change with the geometry, whatever turns it
    shapes = np.stack([np.minimum(measured.least(measured.nearest), _REACH), measured.crowding], axis=1)
    for group in groups.values():
        if len(group) >= _ENOUGH and np.ptp(shapes[group], axis=0).max() > 1e-3:
            yield [part.frames[number] for number in group]


def _polarity(frame: Frame) -> float:
    """Distance in Å of the centre of nuclear charge from that of the atoms."""
    z = frame.numbers
    return float(np.linalg.norm((z / z.sum() - 1.0 / len(z)) @ frame.positions))


def _asymmetry(frame: Frame) -> float:
    """The largest sum over an atom's neighbours of their directions, weighted by distance: nothing where symmetry balances them."""
    pairs = frame.neighbours(_REACH)
    d = np.maximum(pairs.distances, 1e-6)
    weight = pairs.vectors / d[:, None] * (np.exp(-d) * (1.0 - d / _REACH) ** 2 * frame.numbers[pairs.sender])[:, None]
    total = np.stack([np.bincount(pairs.receiver, weight[:, k], frame.n_atoms) for k in range(3)])
    scale = np.bincount(pairs.receiver, np.linalg.norm(weight, axis=1), frame.n_atoms)
    return float((np.linalg.norm(total, axis=0) / np.maximum(scale, 1e-12)).max())
