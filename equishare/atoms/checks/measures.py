"""Measurements on frames whose values physics knows, whatever the molecule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from ase.data import covalent_radii
from ase.geometry import find_mic
from ase.units import Hartree
from scipy.spatial.distance import pdist

from equishare.atoms.frame import Frame

__all__ = [
    "NONMETALS",
    "all_electron_energy",
    "energy_over_work",
    "stiffness_over_badger",
]

NONMETALS = (1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 34, 35, 53)
BONDED = 1.25  # a bond is shorter than this times the sum of the covalent radii

# d_ij of Badger's rule in Å, by the rows of both atoms: H is row 0
_BADGER = {(0, 0): 0.025, (0, 1): 0.335, (0, 2): 0.585, (1, 1): 0.68, (1, 2): 0.90, (2, 2): 1.18}
_MDYN = 6.2415  # eV/Å^2 in 1 mdyn/Å

_MOST_FRAMES = 400  # as many as the slower measurements look at


def badger_stiffness(first: int, second: int, length: float) -> float:
    r"""Stretching force constant of a bond of that length in Å between nonmetals up to chlorine, in eV/Å^2.

    $k = 1.86 / (d - d_{ij})^3$ mdyn/Å, with $d_{ij}$ by the rows of the periodic table; good to a factor of
    1.5 (Badger, J. Chem. Phys. 2, 128 (1934) and 3, 710 (1935)).

    >>> round(badger_stiffness(6, 1, 1.09))  # measured: 30
    27
    """
    low, high = sorted((z > 2) + (z > 10) for z in (first, second))
    return 1.86 * _MDYN / max(length - _BADGER[low, high], 0.2) ** 3


def stiffness_over_badger(frames: Sequence[Frame], length_unit: float = 1.0) -> float | None:
    r"""Median stiffness of the covalent bonds between light nonmetals over what Badger's rule gives: about 1.

    For each bond (i, j) that keeps its atoms through at least 20 frames, the slope of
    $-(F_j - F_i) \cdot \hat r_{ij} / 2$ on $d_{ij}$. `length_unit` is that of the positions in Å. None with
    fewer than two such bonds.
    """
    samples: dict[tuple[bytes, int, int], list[tuple[float, float]]] = defaultdict(list)
    for frame in frames[:: max(1, len(frames) // _MOST_FRAMES)]:
        if frame.forces is None or "forces" in frame.not_finite:
            continue
        near = frame.neighbours(3.0 / length_unit)
        first, second, distance = near.receiver, near.sender, near.distances
        numbers = frame.numbers
        limit = BONDED * (covalent_radii[numbers[first]] + covalent_radii[numbers[second]])
        light = np.isin(numbers, NONMETALS) & (numbers < 18)
        bond = (first < second) & (distance > 0) & (distance * length_unit < limit) & light[first] & light[second]
        i, j, d = first[bond], second[bond], distance[bond]
        along = np.einsum("ij,ij->i", frame.forces[j] - frame.forces[i], near.vectors[bond]) / d
        composition = numbers.tobytes()
        for a, b, length, force in zip(i, j, d * length_unit, along, strict=True):
            samples[composition, int(a), int(b)].append((length, -0.5 * force))
    ratios = []
    for (composition, a, b), values in samples.items():
        d, f = np.array(values).T
        if len(d) >= 20 and d.std() > 0.005:
            numbers = np.frombuffer(composition, dtype=frames[0].numbers.dtype)
            expected = badger_stiffness(int(numbers[a]), int(numbers[b]), float(d.mean()))
            ratios.append(float(np.cov(d, f)[0, 1] / d.var(ddof=1)) / expected)
    return float(np.median(ratios)) if len(ratios) > 1 else None


def energy_over_work(frames: Sequence[Frame], length_unit: float = 1.0) -> tuple[float, float] | None:
    r"""Slope of $\Delta E$ on $-\tfrac12 (F_1 + F_2) \cdot \Delta r$ between like frames, and correlation.

    The trapezoid rule is exact for a harmonic energy. Molecules are laid upon each other first (Kabsch, Acta
    Cryst. A 32, 922 (1976)); periodic frames need equal cells. None with fewer than ten pairs.
    """
    groups: dict[tuple[bytes, bytes], list[Frame]] = defaultdict(list)
    for frame in frames:
        if not (frame.has("energy") and frame.has("forces")) or frame.n_atoms < 2:
            continue
        if not {"energy", "forces"} & frame.not_finite:
            cell = np.round(frame.cell, 4).tobytes() if any(frame.pbc) else b""
            groups[frame.numbers.tobytes(), cell].append(frame)
    values = []
    for group in groups.values():
        for a, b in _similar(group[:: max(1, len(group) // _MOST_FRAMES)]):
            change = (b.energy or 0.0) - (a.energy or 0.0)
            values.append((_work(a, b) * length_unit, change))
    if len(values) < 10:
        return None
    work, change = np.array(values).T
    if not work.std() or not change.std():
        return None
    return float(work @ change / (work @ work)), float(np.corrcoef(work, change)[0, 1])


def _similar(frames: Sequence[Frame]) -> Iterator[tuple[Frame, Frame]]:
    """Each frame with the one most like it: the closest half of these pairs."""
    if len(frames) < 2:
        return
    if any(frames[0].pbc):
        features = np.array([f.atoms.get_scaled_positions(wrap=False).ravel() for f in frames])
        difference = features[:, None] - features[None, :] if len(frames) * features.shape[1] < 2e4 else None
        if difference is None:
            pairs = [(n, n + 1) for n in range(len(frames) - 1)]  # neighbours in the file
            yield from ((frames[a], frames[b]) for a, b in pairs)
            return
        distance = np.linalg.norm(difference - np.round(difference), axis=-1)
    else:
        size = frames[0].n_atoms
        some = np.unique(np.linspace(0, size - 1, min(size, 40)).astype(int))  # of a large molecule
        features = np.array([pdist(f.positions[some]) for f in frames])
        square = (features**2).sum(axis=1)
        distance = np.sqrt(np.maximum(square[:, None] + square[None, :] - 2.0 * features @ features.T, 0.0))
    np.fill_diagonal(distance, np.inf)
    partner = distance.argmin(axis=1)
    best = distance.min(axis=1)
    for n in np.argsort(best)[: max(10, len(frames) // 2)]:
        yield frames[n], frames[partner[n]]


def _work(a: Frame, b: Frame) -> float:
    forces_a, forces_b = np.asarray(a.forces), np.asarray(b.forces)
    if any(a.pbc):
        move, _ = find_mic(b.positions - a.positions, a.cell, a.pbc)
    else:
        first = a.positions - a.positions.mean(axis=0)
        second = b.positions - b.positions.mean(axis=0)
        u, _, vt = np.linalg.svd(second.T @ first)
        rotation = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
        move, forces_b = second @ rotation - first, forces_b @ rotation
    return float(-0.5 * np.sum((forces_a + forces_b) * move))


def all_electron_energy(number: int) -> float:
    r"""Energy of a neutral atom in eV, all electrons, to about 1 % for Z >= 4.

    $-0.768745 Z^{7/3} + Z^2/2 - 0.269900 Z^{5/3}$ Hartree (Schwinger, Phys. Rev. A 24, 2353 (1981)).

    >>> round(all_electron_energy(6) / Hartree, 1)  # Hartree-Fock: -37.7
    -37.6
    """
    z = float(number)
    return Hartree * (-0.768745 * z ** (7 / 3) + 0.5 * z**2 - 0.269900 * z ** (5 / 3))
