"""Frames that are the same geometry, however turned, mirrored, shifted or with atoms in another order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from equishare.atoms.frame import Frame
from equishare.atoms.neighbours import is_sound

__all__ = ["group_duplicates", "invariants"]

_CUTOFF = 5.0  # Å
_TOLERANCE = 1e-4  # relative, of the invariants: sorts out candidates
_DISTANCE_TOLERANCE = 5e-4  # Å: rounded positions stay below it, one MD step of 0.5 fs moves atoms by 1e-2
_WINDOW = 8  # duplicates follow one another when sorted; this many other geometries may come between


def invariants(frame: Frame) -> Float[np.ndarray, " invariants"]:
    r"""Ten numbers that do not change under rotation, reflection, translation and permutation of atoms.

    $v_k = \sum_{ij} (1 - d_{ij}^2/r_c^2)^3\, p_k(Z_i, Z_j)\, q_k(d_{ij})$ over pairs within 5 Å,
    smooth in the positions, and the extent of the molecule or the volume of the cell.

    >>> from ase.build import molecule
    >>> a, b = molecule("CH3OH"), molecule("CH3OH")
    >>> b.rotate(40, (1, 2, 3))
    >>> bool(np.allclose(invariants(Frame(a)), invariants(Frame(b))))
    True
    """
    atoms, pairs = frame.atoms, frame.neighbours(_CUTOFF)
    i, j, d = pairs.receiver, pairs.sender, pairs.distances
    z = np.sqrt(atoms.numbers)
    weight = (1.0 - (d / _CUTOFF) ** 2) ** 3
    species = np.stack([np.ones_like(d), z[i] * z[j], (z[i] - z[j]) ** 2])
    radial = np.stack([np.exp(-d), np.cos(2.0 * d), np.sin(3.0 * d)]) * weight
    local = (species @ radial.T).ravel()
    if atoms.pbc.any():
        extent = abs(np.linalg.det(atoms.cell[:]))
    else:
        extent = float(np.sum(z[:, None] * (atoms.positions - atoms.positions.mean(axis=0)) ** 2))
    return np.append(local, extent)


def group_duplicates(frames: Sequence[Frame]) -> Int[np.ndarray, " frames"]:
    """A number for each frame, equal for frames that are the same geometry.

    Frames without a sound geometry (`is_sound`) are each on their own. The work grows with the frames, not with their square.

    >>> from ase.build import molecule
    >>> group_duplicates([Frame(molecule(name)) for name in ("H2O", "NH3", "H2O")]).tolist()
    [0, 1, 0]
    """
    by_composition: dict[tuple[bytes, bytes], list[int]] = defaultdict(list)
    group = np.arange(len(frames))
    for n, frame in enumerate(frames):
        if is_sound(frame.atoms):
            by_composition[np.sort(frame.atoms.numbers).tobytes(), frame.atoms.pbc.tobytes()].append(n)
    for members in by_composition.values():
        if len(members) > 1:
            group[members] = np.array(members)[_first_alike([frames[n] for n in members])]
    _, first, number = np.unique(group, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[number]  # numbered as they appear


def _first_alike(frames: Sequence[Frame]) -> Int[np.ndarray, " frames"]:
    """For each frame the number of one like it, the same for all that are alike."""
    vectors = np.array([invariants(frame) for frame in frames])
    vectors /= np.maximum(np.abs(vectors).max(axis=0), 1e-3)
    first = np.arange(len(frames))
    recent: list[int] = []  # the last geometries that differ, the newest at the end
    distances: dict[int, np.ndarray] = {}
    for n in np.argsort(vectors.sum(axis=1), kind="stable").tolist():
        for other in reversed(recent):
            if np.abs(vectors[n] - vectors[other]).max() < _TOLERANCE:
                for m in (n, other):
                    if m not in distances:
                        distances[m] = np.sort(frames[m].neighbours(_CUTOFF).distances)
                if _same_distances(distances[n], distances[other]):
                    first[n] = other
                    break
        else:
            recent.append(n)
            for forgotten in recent[:-_WINDOW]:
                distances.pop(forgotten, None)
            recent = recent[-_WINDOW:]
        if first[n] != n:
            distances.pop(n, None)
    return first


def _same_distances(first: Float[np.ndarray, " pairs"], second: Float[np.ndarray, " pairs"]) -> bool:
    # a small displacement changes sums over many pairs in second order only, but each distance in first
    inner = min(len(first), len(second))  # what lies on the cutoff may be in one list only
    if abs(len(first) - len(second)) > 0.05 * inner + 2:
        return False
    return bool(np.abs(first[:inner] - second[:inner]).max(initial=0.0) < _DISTANCE_TOLERANCE)
