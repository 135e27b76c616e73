"""What a potential has seen: where its predictions are interpolation."""

from collections.abc import Iterable
from itertools import repeat

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from pydantic import BaseModel, ConfigDict, Field

from equishare.atoms.frame import Frame
from equishare.atoms.neighbours import Neighbours, neighbour_list

# How far beyond the training data a structure may go. Classical bonds sampled ten times longer, or at twice the temperature,
# stay inside; a collapse, a dissociation or a hole in the potential does not.
DISTANCE_FACTOR = 0.85
NEAREST_FACTOR = 1.5
FORCE_FACTOR = 3.0
# Share of the sum of covalent radii: below the shortest bond of any element pair (0.77, N2).
COVALENT_FACTOR = 0.7
_SYMBOLS, _PAIRS = len(chemical_symbols), 300_000


class Domain(BaseModel):
    """Ranges of the training data, stored in a model file as ``metadata["domain"]`` (`model_dump`).

    Distances in Å, forces in eV/Å, energies in eV an atom without the isolated atoms' energies.

    >>> from ase.build import molecule
    >>> domain = Domain.of([molecule("H2O")])
    >>> round(domain.min_distance["H-O"], 2)
    0.97
    >>> squeezed = molecule("H2O")
    >>> squeezed.set_distance(0, 1, 0.5)
    >>> domain.check(squeezed)
    'atoms 0 (O) and 1 (H) are 0.500 Å apart; the closest H-O pair of the training data is 0.969 Å'
    """

    model_config = ConfigDict(frozen=True)

    min_distance: dict[str, float] = Field(
        default_factory=dict, description="closest pair in Å, by symbols in order: 'C-H'"
    )
    max_nearest: dict[str, float] = Field(
        default_factory=dict, description="farthest nearest neighbour in Å, by symbol"
    )
    max_force: float | None = Field(default=None, description="largest norm of an atom's force in eV/Å")
    energy_per_atom: tuple[float, float] | None = Field(
        default=None, description="lowest and highest, in eV, without E0"
    )

    @classmethod
    def of(
        cls,
        frames: Iterable[Atoms | Frame],
        forces: Iterable[np.ndarray | None] | None = None,
        energies: Iterable[float] | None = None,
        cutoff: float = 6.0,
    ) -> "Domain":
        """Measure training frames.

        Args:
            frames: Structures; of a `Frame` the pairs that it keeps are used.
            forces: Labels ``[atoms, 3]`` of each structure in eV/Å; None or NaN where there is none.
            energies: Labels in eV *without the isolated atoms' energies*; NaN where there is none. Structures of one atom
                are left out.
            cutoff: Distance in Å up to which pairs are looked at.
        """
        ranges = _Ranges()
        norms, per_atom = [], []
        every = zip(
            frames,
            repeat(None) if forces is None else forces,
            repeat(np.nan) if energies is None else energies,
            strict=False,  # what repeats has no end
        )
        for frame, force, energy in every:
            found = frame.neighbours(cutoff) if isinstance(frame, Frame) else neighbour_list(frame, cutoff)
            size = ranges.add(frame.numbers, found)
            if force is not None and np.isfinite(force).all():
                norms.append(float(np.linalg.norm(force, axis=1).max()))
            if size > 1 and np.isfinite(energy):
                per_atom.append(energy / size)
        closest, nearest = ranges.result()
        return cls(
            min_distance=dict(sorted(closest.items())),
            max_nearest=dict(sorted(nearest.items())),
            max_force=max(norms) if norms else None,
            energy_per_atom=(float(min(per_atom)), float(max(per_atom))) if per_atom else None,
        )

    def check(
        self, atoms: Atoms, forces: np.ndarray | None = None, energy: float | None = None, cutoff: float = 6.0
    ) -> str | None:
        """Say how a structure leaves the training domain; None if it does not.

        It leaves where two atoms are closer than 0.85 times the closest such pair of the training data (0.7 times the sum
        of their covalent radii where there was none), an atom is farther than 1.5 times the largest distance seen from its nearest
        neighbour (or alone within the cutoff), a force is over 3 times the largest seen, or the energy lies below the
        lowest seen by more than the whole range. Higher energies are what a hotter run visits: forces guard that side.

        Args:
            atoms: Structure.
            forces: Forces on it in eV/Å.
            energy: Energy in eV without the isolated atoms'.
            cutoff: Distance in Å up to which neighbours are looked for.
        """
        moved = np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))
        if len(moved):
            return f"the position of atom {moved[0]} ({atoms.symbols[moved[0]]}) is not finite"
        return (
            self._check_distances(atoms, cutoff)
            or (None if forces is None else self.check_forces(atoms, forces))
            or (None if energy is None else self._check_energy(energy / len(atoms)))
        )

    def _check_distances(self, atoms: Atoms, cutoff: float) -> str | None:
        found = neighbour_list(atoms, cutoff)
        for name, ((i, j), length) in _closest_pairs(atoms, found).items():
            seen = self.min_distance.get(name)
            radii = covalent_radii[atoms.numbers[[i, j]]].sum()
            if length < (COVALENT_FACTOR * radii if seen is None else DISTANCE_FACTOR * seen):
                what = (
                    f"the sum of their covalent radii is {radii:.3f} Å"
                    if seen is None
                    else f"the closest {name} pair of the training data is {seen:.3f} Å"
                )
                names = f"atoms {i} ({atoms.symbols[i]}) and {j} ({atoms.symbols[j]})"
                return f"{names} are {length:.3f} Å apart; {what}"
        if len(atoms) == 1:
            return None
        distance = found.nearest(len(atoms))
        limits = np.array([NEAREST_FACTOR * self.max_nearest.get(symbol, np.inf) for symbol in atoms.symbols])
        gone = np.flatnonzero((distance > limits) | np.isinf(distance))
        if len(gone):
            i = int(gone[0])
            symbol = atoms.symbols[i]
            where = f"{distance[i]:.2f} Å from" if np.isfinite(distance[i]) else f"over {cutoff:g} Å from"
            seen = self.max_nearest.get(symbol)
            known = "" if seen is None else f"; in the training data at most {seen:.2f} Å"
            return f"atom {i} ({symbol}) has flown off: it is {where} its nearest neighbour{known}"
        return None

    def check_forces(self, atoms: Atoms, forces: np.ndarray) -> str | None:
        """The part of `check` that looks at forces only: cheap enough for every step of a run."""
        norms = np.linalg.norm(forces, axis=1)
        i = int(np.argmax(norms))  # a NaN is the maximum
        if not np.isfinite(norms[i]):
            return f"the force on atom {i} ({atoms.symbols[i]}) is not finite"
        if self.max_force is not None and norms[i] > FORCE_FACTOR * self.max_force:
            return (
                f"the force on atom {i} ({atoms.symbols[i]}) is {norms[i]:.1f} eV/Å; "
                f"the largest of the training data is {self.max_force:.1f} eV/Å"
            )
        return None

    def _check_energy(self, per_atom: float) -> str | None:
        if not np.isfinite(per_atom):
            return "the energy is not finite"
        if self.energy_per_atom is not None:
            low, high = self.energy_per_atom
            if per_atom < low - (high - low):
                return (
                    f"the energy without the isolated atoms' is {per_atom:.3f} eV/atom, in the training data "
                    f"{low:.3f} to {high:.3f}: a hole in the potential"
                )
        return None


class _Ranges:
    """Shortest distances of pairs of elements, and each element's farthest nearest neighbour, over many frames."""

    def __init__(self) -> None:
        self.closest = np.full(_SYMBOLS**2, np.inf)
        self.farthest = np.full(_SYMBOLS, -np.inf)
        self._waiting: list[tuple[np.ndarray, Neighbours]] = []
        self._pairs = 0

    def add(self, numbers: np.ndarray, found: Neighbours) -> int:
        """Take a frame; the number of its atoms. They are looked at many at a time."""
        self._waiting.append((numbers, found))
        self._pairs += len(found.sender) + len(numbers)
        if self._pairs > _PAIRS:
            self._look()
        return len(numbers)

    def _look(self) -> None:
        sizes = [len(numbers) for numbers, _ in self._waiting]
        starts = np.cumsum([0, *sizes])
        numbers = np.concatenate([each for each, _ in self._waiting]).astype(np.int64)
        receiver, sender = (
            np.concatenate(
                [getattr(found, end) + start for start, (_, found) in zip(starts, self._waiting, strict=False)]
            )
            for end in ("receiver", "sender")
        )
        length = np.concatenate([found.distances for _, found in self._waiting])
        one, other = numbers[receiver], numbers[sender]
        np.minimum.at(self.closest, np.minimum(one, other) * _SYMBOLS + np.maximum(one, other), length)
        met, first = np.unique(receiver, return_index=True)  # pairs are sorted by receiver
        if len(met):
            np.maximum.at(self.farthest, numbers[met], np.minimum.reduceat(length, first))
        self._waiting, self._pairs = [], 0

    def result(self) -> tuple[dict[str, float], dict[str, float]]:
        """Both, by symbols."""
        if self._waiting:
            self._look()
        pairs = np.flatnonzero(np.isfinite(self.closest)).tolist()
        met = np.flatnonzero(np.isfinite(self.farthest)).tolist()
        return (
            {pair_name(*divmod(code, _SYMBOLS)): float(self.closest[code]) for code in pairs},
            {chemical_symbols[number]: float(self.farthest[number]) for number in met},
        )


def pair_name(first: int, second: int) -> str:
    """Symbols of two elements in alphabetical order.

    >>> pair_name(8, 1)
    'H-O'
    """
    return "-".join(sorted((chemical_symbols[first], chemical_symbols[second])))


def _closest_pairs(atoms: Atoms, found: Neighbours) -> dict[str, tuple[list[int], float]]:
    """(atoms in order, distance in Å) of the shortest edge of each pair of elements."""
    ends, length = np.sort(np.stack([found.receiver, found.sender]), axis=0), found.distances
    low, high = np.sort(atoms.numbers[ends], axis=0)
    order = np.argsort(length, kind="stable")
    codes, first = np.unique((low * len(chemical_symbols) + high)[order], return_index=True)
    return {
        pair_name(*divmod(int(code), len(chemical_symbols))): (ends[:, edge].tolist(), float(length[edge]))
        for code, edge in zip(codes, order[first], strict=True)
    }
