"""The single checks of an inspection: geometry, labels, forces, E0s, and one part against another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from equishare.atoms.duplicates import group_duplicates
from equishare.atoms.findings import DataFinding, Level
from equishare.atoms.frame import Frame
from equishare.atoms.neighbours import periodic_volume
from equishare.atoms.properties import outputs

__all__ = [
    "Part",
    "check_across",
    "check_forces",
    "check_geometry",
    "check_labels",
    "check_reference_energies",
]

_OVERLAP = 0.5  # of the sum of the covalent radii; MD at 600 K reaches down to 0.8
_LEAKAGE = 0.2  # of a part: more of it seen in training makes its errors meaningless


@dataclass(frozen=True, eq=False)
class Part:
    """Frames of one part of the split, with their distances where the geometry is sound.

    `nearest_ratios`, `nearest` (Å) and `lonely` (atoms without a neighbour within `cutoff`) go with `sound`,
    the numbers of the frames that have distances.
    """

    name: str
    frames: tuple[Frame, ...]
    isolated: tuple[Frame, ...]
    cutoff: float
    sound: tuple[int, ...]
    nearest_ratios: tuple[Float[np.ndarray, " atoms"], ...]
    nearest: tuple[float, ...]
    lonely: tuple[int, ...]


def _finding(
    level: Level, code: str, part: str, frames: Iterable[Frame], message: str, advice: str
) -> Iterator[DataFinding]:
    names = tuple(frame.name for frame in frames)
    if names:
        count = "1 frame" if len(names) == 1 else f"{len(names)} frames"
        yield DataFinding(level, code, f"{part}: {message.replace('#', count)}", advice, names)


def check_geometry(part: Part) -> Iterator[DataFinding]:
    """No frames, NaN, cells without volume, unknown species, overlapping atoms, atoms without neighbours."""
    frames, name = (*part.isolated, *part.frames), part.name
    if not part.frames:
        yield DataFinding(
            "error",
            "no-frames",
            f"{name}: no frames besides {len(part.isolated)} isolated atoms",
            "give frames of molecules or crystals with energies and forces",
        )
    yield from _finding(
        "error",
        "nan-position",
        name,
        [f for f in frames if not np.isfinite(f.atoms.positions).all()],
        "NaN or infinity in the positions of #",
        "remove these frames",
    )
    finite = [f for f in frames if np.isfinite(f.atoms.cell[:]).all()]
    yield from _finding(
        "error",
        "nan-cell",
        name,
        [f for f in frames if not np.isfinite(f.atoms.cell[:]).all()],
        "NaN or infinity in the cell of #",
        "remove these frames",
    )
    yield from _finding(
        "error",
        "zero-volume",
        name,
        [f for f in finite if periodic_volume(f.atoms) <= (0.3 * len(f.atoms) if f.atoms.pbc.all() else 0.1)],
        "# said to be periodic, but with a cell of next to no volume",
        'give the cell (Lattice="..." in extended XYZ) in Å, or pbc="F F F" for molecules',
    )
    yield from _finding(
        "error",
        "unknown-species",
        name,
        [f for f in frames if ((f.atoms.numbers < 1) | (f.atoms.numbers > 118)).any()],
        "dummy atoms ('X') in #",
        "remove them, or write their chemical symbols",
    )
    overlapping = [n for n, r in zip(part.sound, part.nearest_ratios, strict=True) if r.min() < _OVERLAP]
    if overlapping:
        where = {n: k for k, n in enumerate(part.sound)}
        closest = min(part.nearest[where[n]] for n in overlapping)
        yield from _finding(
            "error",
            "overlap",
            name,
            [part.frames[n] for n in overlapping],
            f"atoms closer than {_OVERLAP:g} of the sum of covalent radii in # (down to {closest:.3f} Å)",
            "remove these frames; if it is all of them, see the unit of the positions and the cell",
        )
    lonely = [n for n, atoms in zip(part.sound, part.lonely, strict=True) if atoms]
    count = sum(part.lonely)
    yield from _finding(
        "warning",
        "no-neighbours",
        name,
        [part.frames[n] for n in lonely],
        f"{count} atom{'s' * (count != 1)} without a neighbour within {part.cutoff:g} Å in #",
        "their energy will not depend on where they are: take a longer cutoff, or see that they belong there",
    )


def check_labels(part: Part) -> Iterator[DataFinding]:
    """Labels that are missing or not finite, of every property in the table."""
    frames, name = part.frames, part.name
    for row in outputs():
        wanted = [f for f in frames if row.periodic is None or _periodic(f) == row.periodic]
        spoilt = [f for f in (*part.isolated, *frames) if row.name in f.not_finite]
        without = [f for f in wanted if f.label(row.name) is None]
        if without and len(without) == len(wanted):
            if row.name in ("energy", "forces"):
                yield _no_label(row.name, part)
        else:
            yield from _finding(
                "warning",
                f"missing-{row.name}",
                name,
                [f for f in without if row.name not in f.not_finite],
                f"no {row.name} in # of {len(wanted)}",
                f"they are fitted by what else they have; if a column holds it, name it with --key {row.name}=COLUMN",
            )
        yield from _finding(
            "warning",
            f"nan-{row.name}",
            name,
            spoilt,
            f"NaN or infinity in the {row.name} of #: left out",
            "did their calculation fail? if so, remove these frames",
        )
    yield from _finding(
        "warning",
        "unlabelled",
        name,
        [f for f in frames if not f.labels],
        "# without any label",
        "they teach nothing: remove them",
    )
    yield from _finding(
        "warning",
        "missing-energy",
        name,
        [f for f in part.isolated if f.energy is None],
        "# of an isolated atom without energy",
        "it is left out of the E0s: add its energy or remove it",
    )


def _periodic(frame: Frame) -> bool | None:
    """Whether a frame is a crystal, or a molecule; None for what is periodic along some directions only."""
    return bool(frame.atoms.pbc.all()) if frame.atoms.pbc.all() or not frame.atoms.pbc.any() else None


def _no_label(name: str, part: Part) -> DataFinding:
    present = sorted(
        {str(key) for f in part.frames for key in (*f.atoms.info, *f.atoms.arrays)} - {"numbers", "positions"}
    )
    there = f"; the frames have: {', '.join(present)}" if present else ""
    return DataFinding(
        "error" if name == "energy" else "warning",
        f"missing-{name}",
        f"{part.name}: no frame has {'an energy' if name == 'energy' else name}{there}",
        f"name the column with --key {name}=COLUMN"
        + ("; a potential fitted to energies alone needs many more frames" * (name == "forces")),
    )


def check_forces(part: Part) -> Iterator[DataFinding]:
    """Frames with forces far beyond the others', and forces that do not sum to zero."""
    frames = [f for f in part.frames if f.forces is not None and len(f.atoms) and np.isfinite(f.forces).all()]
    if not frames:
        return
    largest = np.array([np.linalg.norm(np.asarray(f.forces), axis=1).max() for f in frames])
    middle = float(np.median(largest))
    logarithm = np.log(np.maximum(largest, 1e-3))
    spread = max(1.4826 * float(np.median(np.abs(logarithm - np.median(logarithm)))), 0.15)
    far = (logarithm > np.median(logarithm) + 6.0 * spread) & (largest > 5.0 * middle) & (largest > 1.0)
    outlying = far | (largest > 100.0) if len(frames) >= 10 else largest > 100.0
    order = [n for n in np.argsort(-largest) if outlying[n]]
    yield from _finding(
        "warning",
        "outlier-forces",
        part.name,
        [frames[n] for n in order],
        f"forces of up to {largest.max():.3g} eV/Å in #; the median of the frames' largest is {middle:.3g}",
        "look at these frames: calculations that did not converge spoil the fit, and are best removed",
    )
    net = np.array([np.linalg.norm(np.asarray(f.forces).sum(axis=0)) / len(f.atoms) for f in frames])
    drifting = [f for f, value in zip(frames, net, strict=True) if value > 0.005]
    yield from _finding(
        "warning",
        "net-force",
        part.name,
        drifting,
        f"forces do not sum to zero in # (up to {net.max():.3g} eV/Å per atom)",
        "no potential can fit that part; were atoms held fixed, left out, or the calculation too coarse?",
    )


def check_reference_energies(train: Part, e0: Mapping[str, float]) -> Iterator[DataFinding]:
    """Species without an isolated atom."""
    species = sorted({s for f in train.frames for s in f.atoms.symbols.species()} - {"X"})
    missing = [s for s in species if s not in e0]
    if missing and e0:
        yield DataFinding(
            "warning",
            "e0-missing",
            f"{train.name}: isolated atoms of {', '.join(sorted(e0))}, but none of {', '.join(missing)}",
            "E0s that are not given are fitted by least squares; add the isolated atoms that are missing",
        )
    elif missing:
        yield DataFinding(
            "info",
            "e0-least-squares",
            f"{train.name}: no isolated atoms among the frames",
            "E0s that are not given are fitted by least squares, which serves these compositions but not "
            "atoms that come apart",
        )


def _place(frame: Frame) -> tuple[str, int]:
    return frame.file, frame.index


def check_across(parts: Sequence[Part]) -> Iterator[DataFinding]:
    """Duplicates within a part, geometries that are in two parts, species that were not trained on."""
    frames = [(k, f) for k, part in enumerate(parts) for f in part.frames]
    if not frames:
        return
    groups: dict[int, list[tuple[int, Frame]]] = defaultdict(list)
    for label, item in zip(group_duplicates([f for _, f in frames]), frames, strict=True):
        groups[int(label)].append(item)
    repeated = [group for group in groups.values() if len(group) > 1]
    for k, part in enumerate(parts):
        again = [[f for p, f in group if p == k] for group in repeated]
        yield from _finding(
            "warning",
            "duplicates",
            part.name,
            sorted((f for same in again for f in same[1:]), key=_place),
            "# whose geometry is there already, perhaps turned",
            "they weigh double and teach nothing: remove them",
        )
        for other_number, other in list(enumerate(parts))[:k]:
            shared = [f for g in repeated if {k, other_number} <= {p for p, _ in g} for p, f in g if p == k]
            yield from _finding(
                "error" if len(shared) > _LEAKAGE * len(part.frames) else "warning",
                "leakage",
                part.name,
                sorted(shared, key=_place),
                f"# of {len(part.frames)} whose geometry is in {other.name} as well",
                f"errors on them say nothing: remove them from {part.name} or from {other.name}",
            )
        trained = {s for f in parts[0].frames for s in f.atoms.symbols.species()}
        unseen = [f for f in part.frames if set(f.atoms.symbols.species()) - trained]
        names = sorted({s for f in unseen for s in f.atoms.symbols.species()} - trained)
        yield from _finding(
            "error",
            "unseen-species",
            part.name,
            unseen,
            f"# with {', '.join(names)}, which {parts[0].name} does not have",
            f"a potential knows the species it was trained on: add frames with them to {parts[0].name}",
        )
    contrary = [
        f
        for group in repeated
        for _, f in group
        if f.energy is not None and any(abs(f.energy - (g.energy or f.energy)) > 1e-3 * len(f.atoms) for _, g in group)
    ]
    yield from _finding(
        "warning",
        "contrary-labels",
        "/".join(part.name for part in parts),
        contrary,
        "the same geometry with energies that differ by more than 1 meV per atom in #",
        "were they computed with different settings, or did one not converge? keep one kind",
    )
