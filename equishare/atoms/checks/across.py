"""Duplicates, and geometries that are in two parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from equishare.atoms.checks.findings import DataFinding
from equishare.atoms.checks.part import Part, concerning
from equishare.atoms.duplicates import group_duplicates
from equishare.atoms.frame import Frame

__all__ = ["check_across"]

_LEAKAGE = 0.2  # of a part: more of it seen in training makes its errors meaningless


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
        again = [same for group in repeated for same in _same_conditions([f for p, f in group if p == k])]
        yield from concerning(
            "warning",
            "duplicates",
            part.name,
            sorted((f for same in again for f in same[1:]), key=_place),
            "# whose geometry is there already, perhaps turned",
            "they weigh double and teach nothing: remove them",
        )
        for other_number, other in list(enumerate(parts))[:k]:
            shared = [f for g in repeated if {k, other_number} <= {p for p, _ in g} for p, f in g if p == k]
            yield from concerning(
                "error" if len(shared) > _LEAKAGE * len(part.frames) else "warning",
                "leakage",
                part.name,
                sorted(shared, key=_place),
                f"# of {len(part.frames)} whose geometry is in {other.name} as well",
                f"errors on them say nothing: remove them from {part.name} or from {other.name}",
            )
        trained = {symbol for each in {f.composition for f in parts[0].frames} for symbol in each.counts}
        strange = {each: each.counts.keys() - trained for each in {f.composition for f in part.frames}}
        unseen = [f for f in part.frames if strange[f.composition]]
        names = sorted({symbol for symbols in strange.values() for symbol in symbols})
        yield from concerning(
            "error",
            "unseen-species",
            part.name,
            unseen,
            f"# with {', '.join(names)}, which {parts[0].name} does not have",
            f"a potential knows the species it was trained on: add frames with them to {parts[0].name}",
        )
    contrary = [f for group in repeated for f in _contrary([f for _, f in group])]
    yield from concerning(
        "warning",
        "contrary-labels",
        "/".join(part.name for part in parts),
        contrary,
        "the same geometry with energies that differ by more than 1 meV per atom in #",
        "were they computed with different settings, or did one not converge? keep one kind",
    )


def _contrary(frames: Sequence[Frame]) -> list[Frame]:
    """Frames of one geometry and the same conditions, where their energies differ by more than 1 meV an atom."""
    return [
        frame
        for same in _same_conditions([frame for frame in frames if frame.energy is not None])
        if max(f.energy or 0.0 for f in same) - min(f.energy or 0.0 for f in same) > 1e-3 * len(same[0].atoms)
        for frame in same
    ]


def _same_conditions(frames: Sequence[Frame]) -> list[list[Frame]]:
    alike: dict[frozenset[tuple[str, int | str]], list[Frame]] = defaultdict(list)
    for frame in frames:
        alike[frozenset(frame.conditions.items())].append(frame)
    return list(alike.values())
