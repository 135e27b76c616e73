"""Conditions that vary among the frames and that the potential would not be told, or that it is told of and no frame says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from equishare.atoms.checks.findings import DataFinding
from equishare.atoms.checks.part import Part
from equishare.atoms.properties import Property
from equishare.atoms.properties import conditions as rows

__all__ = ["check_conditions"]


def check_conditions(part: Part, used: Collection[str] = ()) -> Iterator[DataFinding]:
    """A warning for each condition, such as the total charge, that varies and is not among those that are used; or is used, and no training frame says it."""
    for row in rows():
        if row.name not in used:
            yield from _varying(part, row)
        elif part.name == "train" and not any(row.name in frame.conditions for frame in part.frames):
            yield DataFinding(
                "warning",
                f"unsaid-{row.name}",
                f"{part.name}: no frame says its {row.name}, so nothing of it is learnt",
                f"if a column has it under another name, name it with --key {row.name}=COLUMN",
            )


def _varying(part: Part, row: Property) -> Iterator[DataFinding]:
    values = [frame.conditions.get(row.name, row.default) for frame in part.frames]
    counts = Counter(values)
    if len(counts) < 2:
        return
    usual = counts.most_common(1)[0][0]
    shown = ", ".join(f"{value!r} in {count}" for value, count in counts.most_common(5)) + ", ..." * (len(counts) > 5)
    yield DataFinding(
        "warning",
        f"varying-{row.name}",
        f"{part.name}: the {row.name} varies ({shown} frames), and the potential is not told: it would fit one energy to all of them",
        f"--condition {row.name} lets it know; else keep frames of one {row.name}",
        tuple(frame.name for frame, value in zip(part.frames, values, strict=True) if value != usual),
    )
