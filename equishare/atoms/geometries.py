"""What checks and divisions of the data ask of every geometry, measured once: for many frames at a time, and kept with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from ase.data import covalent_radii
from jaxtyping import Bool, Float, Float32, Int

from equishare.atoms.neighbours import GraphError, Neighbours, is_sound

if TYPE_CHECKING:
    from equishare.atoms.frame import Frame

__all__ = ["REACH", "Geometries", "geometries"]

REACH = 6.0
"""Å: far enough to meet the nearest atom when positions are in Bohr."""
INVARIANT_REACH = 5.0
"""Å: of the pairs that invariants are sums over."""
N_INVARIANTS = 10
N_MEASURES = 2 + N_INVARIANTS
_MOST_PAIRS = 300_000
_MANY = 1000
_NO_RADIUS = 0.2  # Å, as ASE has it for an element of unknown radius


class Geometries(NamedTuple):
    """Measures of frames, one row each, and of their atoms, one after the other.

    Rows of frames without a sound geometry are zero, those of their atoms infinite.
    """

    rows: Float[np.ndarray, "frames measures"]
    atoms: Float32[np.ndarray, "atoms 2"]
    starts: Int[np.ndarray, " ends"]

    @property
    def sound(self) -> Bool[np.ndarray, " frames"]:
        """Whether distances can be measured."""
        return self.rows[:, 0] > 0.0

    @property
    def invariants(self) -> Float[np.ndarray, "frames 10"]:
        """Numbers that tell geometries apart."""
        return self.rows[:, 1:11]

    @property
    def crowding(self) -> Float[np.ndarray, " frames"]:
        """Sum of the squares of what the distances lack of 5 Å, an atom, in Å^2."""
        return self.rows[:, 11]

    @property
    def nearest(self) -> Float32[np.ndarray, " atoms"]:
        """Distance in Å of each atom to its nearest within `REACH`; inf where there is none."""
        return self.atoms[:, 0]

    @property
    def ratios(self) -> Float32[np.ndarray, " atoms"]:
        """The least distance of each atom to another within `REACH` over the sum of both covalent radii; inf where there is none."""
        return self.atoms[:, 1]

    def least(self, values: Float32[np.ndarray, " atoms"]) -> Float32[np.ndarray, " frames"]:
        """The least of the values of each frame's atoms; inf of a frame without atoms."""
        found = np.minimum.reduceat(np.append(values, np.float32(np.inf)), self.starts[:-1])
        return np.where(np.diff(self.starts) > 0, found, np.float32(np.inf))

    def of(self, chosen: Bool[np.ndarray, " frames"]) -> Geometries:
        """Those of some of the frames."""
        sizes = np.diff(self.starts)
        starts = np.concatenate([[0], np.cumsum(sizes[chosen])])
        return Geometries(self.rows[chosen], self.atoms[np.repeat(chosen, sizes)], starts)


def geometries(frames: Sequence[Frame]) -> Geometries:
    r"""Measure frames, or recall what was measured.

    The invariants do not change under rotation, reflection, translation and permutation of atoms:
    $v_k = \sum_{ij} (1 - d_{ij}^2/r_c^2)^3\, p_k(Z_i, Z_j)\, q_k(d_{ij})$ over pairs within 5 Å, smooth in the positions; and the extent of
    the molecule or the volume of the cell.

    >>> from ase.build import molecule
    >>> from equishare.atoms.frame import Frame
    >>> found = geometries([Frame(molecule("H2")), Frame(molecule("H2O"))])
    >>> found.sound.tolist(), found.nearest.round(2).tolist()
    ([True, True], [0.7400000095367432, 0.7400000095367432, 0.9700000286102295, 0.9700000286102295, 0.9700000286102295])
    """
    sizes = np.array([frame.n_atoms for frame in frames], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    rows = np.zeros((len(frames), N_MEASURES))
    atoms = np.full((starts[-1], 2), np.inf, dtype=np.float32)
    for first in range(0, len(frames), _MANY):
        part = frames[first : first + _MANY]
        known = [frame.kept_geometry() for frame in part]
        new = [frame for frame, each in zip(part, known, strict=True) if each is None]
        made = iter([each for block in _blocks(new) for each in _measured(block)])
        for number, (frame, kept) in enumerate(zip(part, known, strict=True), first):
            if kept is None:
                frame.keep_geometry(kept := next(made))
            rows[number], atoms[starts[number] : starts[number + 1]] = kept
    return Geometries(rows, atoms, starts)


def _blocks(frames: Sequence[Frame]) -> Iterator[list[tuple[Frame, Neighbours | None]]]:
    """Frames with their pairs, None where the geometry is not sound; as many at a time as have so many pairs."""
    block: list[tuple[Frame, Neighbours | None]] = []
    pairs = 0
    for frame in frames:
        found = _pairs(frame)
        block.append((frame, found))
        pairs += 0 if found is None else len(found.sender)
        if pairs > _MOST_PAIRS:
            yield block
            block, pairs = [], 0
    if block:
        yield block


def _pairs(frame: Frame) -> Neighbours | None:
    if not is_sound(frame.atoms):
        return None
    try:
        return frame.neighbours(REACH)
    except GraphError:
        return None


def _measured(block: Sequence[tuple[Frame, Neighbours | None]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each frame of a block its row (sound or not, invariants, crowding), and two numbers of each atom."""
    sizes = [frame.n_atoms for frame, _ in block]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    offsets = [(start, found) for start, (_, found) in zip(starts.tolist(), block, strict=False) if found is not None]
    receiver = np.concatenate([found.receiver + start for start, found in offsets] or [np.zeros(0, np.int64)])
    sender = np.concatenate([found.sender + start for start, found in offsets] or [np.zeros(0, np.int64)])
    d = np.concatenate([found.distances for _, found in offsets] or [np.zeros(0)])
    numbers = np.concatenate([frame.numbers for frame, _ in block])
    of_atom = np.repeat(np.arange(len(block)), sizes)
    atoms = np.full((len(numbers), 2), np.inf)
    known = (numbers >= 0) & (numbers < len(covalent_radii))
    radii = np.where(known, covalent_radii[np.where(known, numbers, 0)], _NO_RADIUS)
    # pairs are sorted by receiver
    met, first = np.unique(receiver, return_index=True)
    if len(met):
        atoms[met, 0] = np.minimum.reduceat(d, first)
        atoms[met, 1] = np.minimum.reduceat(d / (radii[receiver] + radii[sender]), first)
    rows = np.zeros((len(block), N_MEASURES))
    rows[:, 0] = [found is not None for _, found in block]
    near = d < INVARIANT_REACH
    rows[:, 1:10] = _local(d[near], numbers, receiver[near], sender[near], of_atom, len(block))
    short = np.bincount(of_atom[receiver[near]], (INVARIANT_REACH - d[near]) ** 2, len(block))
    rows[:, 11] = short / np.maximum(sizes, 1)
    for row, (frame, found) in zip(rows, block, strict=True):
        row[10] = 0.0 if found is None else _extent(frame)
    return [(row, atoms[a:b].astype(np.float32)) for row, a, b in zip(rows, starts, starts[1:], strict=False)]


def _local(
    d: np.ndarray, numbers: np.ndarray, i: np.ndarray, j: np.ndarray, of_atom: np.ndarray, n_frames: int
) -> np.ndarray:
    """Nine sums over the pairs of each frame."""
    z = np.sqrt(np.maximum(numbers, 0))
    weight = (1.0 - (d / INVARIANT_REACH) ** 2) ** 3
    radial = [np.exp(-d) * weight, np.cos(2.0 * d) * weight, np.sin(3.0 * d) * weight]
    species = [np.ones_like(d), z[i] * z[j], (z[i] - z[j]) ** 2]
    where = of_atom[i]
    return np.stack([np.bincount(where, p * q, n_frames) for p in species for q in radial], axis=1)


def _extent(frame: Frame) -> float:
    """Volume of the cell in Å^3, or the spread of a molecule."""
    if any(frame.pbc):
        return float(abs(np.linalg.det(frame.cell)))
    positions, z = frame.positions, np.sqrt(np.maximum(frame.numbers, 0))
    return float(np.sum(z[:, None] * (positions - positions.mean(axis=0)) ** 2))
