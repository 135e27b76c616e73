"""Frames that are the same geometry, however turned, mirrored, shifted or with atoms in another order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from ase import Atoms
from jaxtyping import Float, Int
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from equishare.atoms.distances import is_sound, neighbour_pairs

__all__ = ["fingerprint", "group_duplicates"]

_CUTOFF = 5.0  # Å
_TOLERANCE = 1e-4  # relative, of the fingerprint: sorts out candidates
_DISTANCE_TOLERANCE = 5e-4  # Å: rounded positions stay below it, one MD step of 0.5 fs moves atoms by 1e-2
_WINDOW = 8  # duplicates follow one another when sorted; this many others may come between


def fingerprint(atoms: Atoms) -> Float[np.ndarray, " invariants"]:
    r"""Ten numbers that do not change under rotation, reflection, translation and permutation of atoms.

    $v_k = \sum_{ij} (1 - d_{ij}^2/r_c^2)^3\, p_k(Z_i, Z_j)\, q_k(d_{ij})$ over pairs within 5 Å,
    smooth in the positions, and the extent of the molecule or the volume of the cell.

    >>> from ase.build import molecule
    >>> a, b = molecule("CH3OH"), molecule("CH3OH")
    >>> b.rotate(40, (1, 2, 3))
    >>> bool(np.allclose(fingerprint(a), fingerprint(b)))
    True
    """
    pairs = neighbour_pairs(atoms, _CUTOFF)
    i, j, d = pairs.i, pairs.j, pairs.d
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


def group_duplicates(atoms: Sequence[Atoms]) -> Int[np.ndarray, " frames"]:
    """A number for each frame, equal for frames that are the same geometry.

    Frames without a sound geometry (`is_sound`) are each on their own.

    >>> from ase.build import molecule
    >>> group_duplicates([molecule("H2O"), molecule("NH3"), molecule("H2O")]).tolist()
    [0, 1, 0]
    """
    by_composition: dict[tuple[bytes, bytes], list[int]] = defaultdict(list)
    for n, frame in enumerate(atoms):
        if is_sound(frame):
            by_composition[np.sort(frame.numbers).tobytes(), frame.pbc.tobytes()].append(n)
    edges: list[tuple[int, int]] = []
    for members in by_composition.values():
        edges += [(members[a], members[b]) for a, b in _links([atoms[n] for n in members])]
    first, second = np.array(edges, dtype=int).reshape(-1, 2).T
    graph = coo_matrix((np.ones(len(first)), (first, second)), shape=(len(atoms), len(atoms)))
    return connected_components(graph, directed=False)[1]


def _links(atoms: Sequence[Atoms]) -> list[tuple[int, int]]:
    if len(atoms) < 2:
        return []
    vectors = np.array([fingerprint(a) for a in atoms])
    vectors /= np.maximum(np.abs(vectors).max(axis=0), 1e-3)
    order = np.argsort(vectors.sum(axis=1), kind="stable")
    links = []
    for step in range(1, min(_WINDOW, len(order) - 1) + 1):
        one, other = order[:-step], order[step:]
        close = np.abs(vectors[one] - vectors[other]).max(axis=1) < _TOLERANCE
        candidates = zip(one[close].tolist(), other[close].tolist(), strict=True)
        links += [(a, b) for a, b in candidates if _same_distances(atoms[a], atoms[b])]
    return links


def _same_distances(a: Atoms, b: Atoms) -> bool:
    # a small displacement changes sums over many pairs in second order only, but each distance in first
    first, second = (np.sort(neighbour_pairs(atoms, _CUTOFF).d) for atoms in (a, b))
    inner = min(len(first), len(second))  # what lies on the cutoff may be in one list only
    if abs(len(first) - len(second)) > 0.05 * inner + 2:
        return False
    return bool(np.abs(first[:inner] - second[:inner]).max(initial=0.0) < _DISTANCE_TOLERANCE)
