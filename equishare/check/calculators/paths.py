"""Paths through the potential energy surface: along a ray, a bond, an angle, a torsion."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.neighborlist import build_neighbor_list, natural_cutoffs
from jaxtyping import Float
from numpy import ndarray

RAY = 10.0
"""Å that the outermost atom of a molecule leaves."""
IN_CRYSTAL = 1.0
"""Å that an atom of a crystal moves."""
BOND = (0.75, 1.6)
"""A bond's length goes from and to, in its own length: into contact, and out of it."""
BEND = np.radians(35.0)


@dataclass(frozen=True)
class Path:
    """Structures that depend on one number.

    Attributes:
        name: such as "the bond C0-O2".
        unit: of the number: Å or rad.
        span: from and to.
        positions: of the number: [atoms, 3].
        tangent: their derivative.
        groups: how many pieces of four intervals it is first looked at in.
    """

    name: str
    unit: str
    span: tuple[float, float]
    positions: Callable[[float], Float[ndarray, "atoms 3"]]
    tangent: Callable[[float], Float[ndarray, "atoms 3"]]
    groups: int


def paths_of(atoms: Atoms, seed: int) -> list[Path]:
    """Return a ray, and in molecules a bond, an angle and a torsion where there are any, drawn at random.

    In a crystal one atom moves in a random direction, and one towards its nearest neighbour and away from it.
    """
    generator = np.random.default_rng(seed)
    if atoms.pbc.any():
        direction = generator.standard_normal(3)
        rays = [_straight("a ray", atoms, [0], direction, (0.0, IN_CRYSTAL), 16)]
        return rays + _towards_nearest(atoms)
    bonds = _bonds(atoms)
    found = [_leaving(atoms)]
    found += [_bond(atoms, bonds, generator)] if any(bonds.values()) else []
    for make in (_angle, _torsion):
        path = make(atoms, bonds, generator)
        found += [path] if path is not None else []
    return found


def _straight(
    name: str, atoms: Atoms, moving: list[int], direction: ndarray, span: tuple[float, float], groups: int
) -> Path:
    start, tangent = atoms.positions.copy(), np.zeros((len(atoms), 3))
    tangent[moving] = direction / np.linalg.norm(direction)
    return Path(name, "Å", span, lambda x: start + x * tangent, lambda x: tangent, groups)


def _leaving(atoms: Atoms) -> Path:
    """The outermost atom leaves the molecule, so that all pairs with it cross the cutoff."""
    from_centre = atoms.positions - atoms.positions.mean(0)
    atom = int(np.argmax(np.linalg.norm(from_centre, axis=1)))
    outward = from_centre[atom] if np.linalg.norm(from_centre[atom]) > 0 else np.array([1.0, 0.0, 0.0])
    return _straight(f"a ray of {_label(atoms, atom)}", atoms, [atom], outward, (0.0, RAY), 30)


def _towards_nearest(atoms: Atoms) -> list[Path]:
    supercell = atoms.repeat([2 if p else 1 for p in atoms.pbc])
    distances = supercell.get_distances(0, range(1, len(supercell)), mic=True) if len(supercell) > 1 else np.zeros(0)
    if not len(distances):
        return []
    near = 1 + int(np.argmin(distances))
    towards = supercell.get_distance(0, near, mic=True, vector=True)
    if near < len(atoms):
        d = float(distances.min())
        return [_straight("a bond", atoms, [0], towards, (-0.4 * d, (1 - BOND[0]) * d), 12)]
    return []


def _label(atoms: Atoms, i: int) -> str:
    return f"{atoms.symbols[i]}{i}"


def _bonds(atoms: Atoms) -> dict[int, list[int]]:
    neighbours = build_neighbor_list(atoms, natural_cutoffs(atoms, mult=1.2), self_interaction=False, bothways=True)
    return {i: [int(j) for j in neighbours.get_neighbors(i)[0]] for i in range(len(atoms))}


def _beyond(bonds: dict[int, list[int]], i: int, j: int) -> list[int]:
    """Atoms that hang on j when the bond i-j is cut; j alone where it is part of a ring."""
    seen, todo = {j}, [j]
    while todo:
        for k in bonds[todo.pop()]:
            if k not in seen and not (k == i and len(seen) == 1):
                seen.add(k)
                todo.append(k)
    return [j] if i in seen else sorted(seen)


def _bond(atoms: Atoms, bonds: dict[int, list[int]], generator: np.random.Generator) -> Path:
    pairs = [(i, j) for i in bonds for j in bonds[i]]
    i, j = pairs[int(generator.integers(len(pairs)))]
    vector = atoms.positions[j] - atoms.positions[i]
    d = float(np.linalg.norm(vector))
    span = ((BOND[0] - 1) * d, (BOND[1] - 1) * d)
    name = f"the bond {_label(atoms, i)}-{_label(atoms, j)}"
    return _straight(name, atoms, _beyond(bonds, i, j), vector, span, 12)


def _angle(atoms: Atoms, bonds: dict[int, list[int]], generator: np.random.Generator) -> Path | None:
    triples = [(i, j, k) for j in bonds for i in bonds[j] for k in bonds[j] if i < k]
    if not triples:
        return None
    i, j, k = triples[int(generator.integers(len(triples)))]
    a, b = (atoms.positions[n] - atoms.positions[j] for n in (i, k))
    axis = np.cross(a, b)
    if np.linalg.norm(axis) < 1e-3:
        axis = np.cross(a, generator.standard_normal(3))
    name = f"the angle {_label(atoms, i)}-{_label(atoms, j)}-{_label(atoms, k)}"
    return _turning(name, atoms, _beyond(bonds, j, k), j, axis, (-BEND, BEND), 8)


def _torsion(atoms: Atoms, bonds: dict[int, list[int]], generator: np.random.Generator) -> Path | None:
    middles = [(i, j) for i in bonds for j in bonds[i] if len(bonds[i]) > 1 and len(bonds[j]) > 1]
    free = [(i, j, _beyond(bonds, i, j)) for i, j in middles]
    free = [(i, j, moving) for i, j, moving in free if len(moving) > 1]
    if not free:
        return None
    i, j, moving = free[int(generator.integers(len(free)))]
    name = f"the torsion about {_label(atoms, i)}-{_label(atoms, j)}"
    return _turning(name, atoms, moving, j, atoms.positions[j] - atoms.positions[i], (0.0, 2 * np.pi), 12)


def _turning(
    name: str, atoms: Atoms, moving: list[int], centre: int, axis: ndarray, span: tuple[float, float], groups: int
) -> Path:
    """Atoms turn about an axis through another (Rodrigues' formula)."""
    start, origin, n = atoms.positions.copy(), atoms.positions[centre], axis / np.linalg.norm(axis)
    v = start[moving] - origin
    along, across = np.outer(v @ n, n), np.cross(n, v)

    def positions(x: float) -> ndarray:
        new = start.copy()
        new[moving] = origin + along + np.cos(x) * (v - along) + np.sin(x) * across
        return new

    def tangent(x: float) -> ndarray:
        new = np.zeros_like(start)
        new[moving] = np.cos(x) * across - np.sin(x) * (v - along)
        return new

    return Path(name, "rad", span, positions, tangent, groups)
