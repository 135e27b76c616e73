r"""How stresses agree with energies and forces, whatever the material.

Two measurements. Between two frames of the same atoms in different cells the energy changes by

.. math:: dE = -\sum_i F_i \cdot (ds_i\, C) + V \sigma : \varepsilon, \qquad \varepsilon = C^{-1} dC,

with cells C and fractional coordinates s; the trapezoid rule takes both ends' forces and stresses. Where all cells are the same, forces are fitted
by pair terms, whose virial the stresses are held against.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from equishare.atoms.frame import Frame

__all__ = ["ORDERS", "StressMeasure", "stress_over_pair_terms", "stress_over_strain_work"]

# Where yz, xz and xy stand among the last three of six numbers that were read in ASE's order, for the orders that programs write
ORDERS = {
    "xx yy zz yz xz xy": (0, 1, 2),
    "xx yy zz xy yz zx": (1, 2, 0),
    "xx yy zz xy xz yz": (2, 1, 0),
    "xx yy zz yz xy xz": (0, 2, 1),
}
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_TIMES = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])  # off the diagonal both halves count

_MOST_NUMBERS = 2e7  # frames squared times coordinates that are compared
_MANY = 20  # numbers from which the order of a stress is judged
_BASIS = 16  # functions of the distance of a pair of species
_REACH = 5.0  # Å


@dataclass(frozen=True)
class StressMeasure:
    """What the stresses must be multiplied by to agree, and how well they do then.

    Attributes:
        factor: 1 where they are right.
        correlation: Of what they say with what they are held against, the sign left in the factor.
        order: Of six numbers in the file, as far as can be seen.
        volume: Mean volume of the cells in Å^3.
        by_energy: Held against energies; else against pair terms.
    """

    factor: float
    correlation: float
    order: str
    volume: float
    by_energy: bool


def _usable(frames: Sequence[Frame]) -> Iterator[list[Frame]]:
    """Crystals of the same atoms with energies and stresses, at most some hundred of each."""
    groups: dict[bytes, list[Frame]] = defaultdict(list)
    for frame in frames:
        if frame.has("stress") and all(frame.pbc):
            groups[frame.numbers.tobytes()].append(frame)
    for group in groups.values():
        most = int(np.clip(np.sqrt(_MOST_NUMBERS / (3 * len(group[0].atoms))), 10, 400))
        yield group[:: max(1, -(-len(group) // most))]


def stress_over_strain_work(frames: Sequence[Frame]) -> StressMeasure | None:
    """Stresses held against the energies of frames with different cells; None with fewer than six such pairs."""
    rows = [row for group in _usable(frames) for row in _strained(group)]
    if len(rows) < 6:
        return None
    change, works, volumes = (np.array(column) for column in zip(*rows, strict=True))
    held = {name: np.einsum("pkk,k->p", works[:, _off(order)], _TIMES) for name, order in ORDERS.items()}
    return _best(change, held, float(volumes.mean()), by_energy=True)


def _off(order: tuple[int, int, int]) -> list[int]:
    return [0, 1, 2, *(3 + n for n in order)]


def _best(target: np.ndarray, held: dict[str, np.ndarray], volume: float, *, by_energy: bool) -> StressMeasure | None:
    """The order that explains the target best; another than ASE's only where it leaves less than half as much of many numbers."""
    fits = {}
    for name, values in held.items():
        square = float(values @ values) * float(target @ target)
        if not square > 0.0:
            return None
        fits[name] = float(values @ target) / np.sqrt(square), float(values @ target) / float(values @ values)
    usual = next(iter(ORDERS))
    best = max(fits, key=lambda name: abs(fits[name][0]))
    # of few numbers any order may explain the most: measured on eight frames of copper with the right one
    if len(target) < _MANY or 1.0 - fits[best][0] ** 2 > 0.5 * (1.0 - fits[usual][0] ** 2):
        best = usual
    correlation, factor = fits[best]
    return StressMeasure(factor, abs(correlation), best, volume, by_energy)


def _strained(group: Sequence[Frame]) -> Iterator[tuple[float, np.ndarray, float]]:
    """For each frame and the one most like it in another cell: what the stress must explain, its six terms, and the volume."""
    group = [f for f in group if f.energy is not None]
    if len(group) < 2:
        return
    cells = np.array([f.atoms.cell[:] for f in group])
    scaled = np.array([f.atoms.get_scaled_positions(wrap=False) for f in group])
    n, mean = scaled.shape[1], cells.mean(axis=0)
    size = (abs(np.linalg.det(mean)) / n) ** (1 / 3)
    pairs = {}
    for i in range(len(group)):
        strain = np.linalg.norm(np.linalg.solve(np.broadcast_to(cells[i], cells.shape), cells - cells[i]), axis=(1, 2))
        far = (_moves(scaled[i], scaled, mean) ** 2).sum(axis=(1, 2)) + n * (size * strain) ** 2
        far[strain < 1e-4] = np.inf
        j = int(np.argmin(far))
        if np.isfinite(far[j]):
            pairs[min(i, j), max(i, j)] = far[j]
    for i, j in sorted(pairs, key=pairs.__getitem__)[: max(10, len(pairs) // 2)]:
        a, b = group[i], group[j]
        work, terms = 0.0, np.zeros((6, 6))
        for frame, cell in ((a, cells[i]), (b, cells[j])):
            move = _moves(scaled[i], scaled[j], cell)
            if frame.forces is None or not np.isfinite(frame.forces).all():
                if np.abs(move).max() > 1e-3:
                    break
            else:
                work -= 0.5 * float(np.sum(frame.forces * move))
            strain = np.linalg.solve(cell, cells[j] - cells[i])
            volume = abs(float(np.linalg.det(cell)))
            terms += 0.5 * volume * np.outer(_six(np.asarray(frame.stress)), _six(0.5 * (strain + strain.T)))
        else:
            yield (b.energy or 0.0) - (a.energy or 0.0) - work, terms, volume


def _six(matrix: np.ndarray) -> np.ndarray:
    """A symmetric matrix in ASE's order: xx, yy, zz, yz, xz, xy."""
    return np.array([matrix[..., k, m] for k, m in _VOIGT]).T


def _moves(one: np.ndarray, other: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Displacements in Å between fractional coordinates, to the nearest image, without a common shift."""
    difference = other - one
    difference = difference - np.round(difference)
    return (difference - difference.mean(axis=-2, keepdims=True)) @ cell


def stress_over_pair_terms(frames: Sequence[Frame]) -> StressMeasure | None:
    """Stresses held against the virial of pair terms that are fitted to the forces; None where they cannot be fitted."""
    rows = []
    for group in _usable(frames):
        group = [f for f in group if f.forces is not None and np.isfinite(f.forces).all()][:60]
        if len(group) >= 3 and len(group) * 3 * len(group[0].atoms) >= 200:
            rows += _of_pair_terms(group)
    if len(rows) < 6:
        return None
    expected, labels, volumes = (np.array(column) for column in zip(*rows, strict=True))
    held = {name: (labels[:, _off(order)] * np.sqrt(_TIMES)).ravel() for name, order in ORDERS.items()}
    return _best((expected * np.sqrt(_TIMES)).ravel(), held, float(volumes.mean()), by_energy=False)


def _of_pair_terms(group: Sequence[Frame]) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """For each frame the stress of the pair terms, its label, both without their means, and the volume."""
    forces, virials = zip(*(_pair_basis(frame) for frame in group), strict=True)
    matrix, target = np.concatenate(forces), np.concatenate([np.asarray(f.forces).ravel() for f in group])
    ridge = 1e-6 * float(np.einsum("ij,ij->", matrix, matrix)) / matrix.shape[1] * np.eye(matrix.shape[1])
    weights = np.linalg.solve(matrix.T @ matrix + ridge, matrix.T @ target)
    if np.square(matrix @ weights - target).sum() > 0.7 * np.square(target).sum():
        return []  # hardly anything is explained by pairs
    volumes = [f.atoms.cell.volume for f in group]
    expected = np.array([virial.T @ weights / volume for virial, volume in zip(virials, volumes, strict=True)])
    labels = np.array([_six(np.asarray(f.stress)) for f in group])
    return list(zip(expected - expected.mean(axis=0), labels - labels.mean(axis=0), volumes, strict=True))


def _pair_basis(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Forces, flat, and virials of the functions of the distance, of every pair of species, with the slope 1 in one bin each."""
    pairs = frame.neighbours(_REACH)
    species, kind = np.unique(frame.atoms.numbers, return_inverse=True)
    low, high = (
        np.minimum(kind[pairs.sender], kind[pairs.receiver]),
        np.maximum(kind[pairs.sender], kind[pairs.receiver]),
    )
    which, d = low * len(species) + high, pairs.distances
    centres = np.linspace(0.8, _REACH, _BASIS)
    slope = np.exp(-0.5 * ((d[:, None] - centres) * 4.0) ** 2) * (1.0 - (d[:, None] / _REACH) ** 2)
    unit = pairs.vectors / d[:, None]
    n, blocks, strains = len(frame.atoms), [], []
    for both in range(len(species) ** 2):
        here = which == both
        if both // len(species) > both % len(species):
            continue
        along = unit[here, :, None] * slope[here][:, None, :]  # dE/dr of the vector from receiver to sender
        forces = np.zeros((n, 3, len(centres)))
        np.add.at(forces, pairs.receiver[here], along)
        blocks.append(forces.reshape(3 * n, -1))
        outer = np.array([pairs.vectors[here, k] * unit[here, m] for k, m in _VOIGT])
        strains.append(0.5 * slope[here].T @ outer.T)
    return np.concatenate(blocks, axis=1), np.concatenate(strains)
