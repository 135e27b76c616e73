"""Is every label there, finite, and read from where it should be?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from equishare.atoms.checks.findings import DataFinding, Remark
from equishare.atoms.checks.part import Part, concerning
from equishare.atoms.frame import Frame
from equishare.atoms.properties import outputs

__all__ = ["check_labels", "check_reading"]


def check_labels(part: Part) -> Iterator[DataFinding]:
    """Labels that are missing or not finite, of every property in the table."""
    frames, name = part.frames, part.name
    for row in outputs():
        wanted = [f for f in frames if row.periodic is None or _periodic(f) == row.periodic]
        spoilt = [f for f in (*part.isolated, *frames) if row.name in f.not_finite]
        without = [f for f in wanted if not f.has(row.name)]
        if without and len(without) == len(wanted):
            if row.name in ("energy", "forces"):
                yield _no_label(row.name, part)
        else:
            yield from concerning(
                "warning",
                f"missing-{row.name}",
                name,
                [f for f in without if row.name not in f.not_finite],
                f"no {row.name} in # of {len(wanted)}",
                f"they are fitted by what else they have; if a column holds it, name it with --key {row.name}=COLUMN",
            )
        yield from concerning(
            "warning",
            f"nan-{row.name}",
            name,
            spoilt,
            f"NaN or infinity in the {row.name} of #: left out",
            "did their calculation fail? if so, remove these frames",
        )
    yield from concerning(
        "warning",
        "unlabelled",
        name,
        [f for f in frames if not f.labels],
        "# without any label",
        "they teach nothing: remove them",
    )
    yield from concerning(
        "warning",
        "missing-energy",
        name,
        [f for f in part.isolated if not f.has("energy")],
        "# of an isolated atom without energy",
        "it is left out of the E0s: add its energy or remove it",
    )


def _periodic(frame: Frame) -> bool | None:
    """Whether a frame is a crystal, or a molecule; None for what is periodic along some directions only."""
    return all(frame.pbc) if all(frame.pbc) or not any(frame.pbc) else None


def _no_label(name: str, part: Part) -> DataFinding:
    present = sorted({key for f in part.frames for key in f.columns})
    there = f"; the frames have: {', '.join(present)}" if present else ""
    return DataFinding(
        "error" if name == "energy" else "warning",
        f"missing-{name}",
        f"{part.name}: no frame has {'an energy' if name == 'energy' else name}{there}",
        f"name the column with --key {name}=COLUMN"
        + ("; a potential fitted to energies alone needs many more frames" * (name == "forces")),
    )


def check_reading(part: Part) -> Iterator[DataFinding]:
    """What was decided when frames were read: other names, columns left out, units, weights."""
    said: dict[Remark, list[Frame]] = defaultdict(list)
    for frame in (*part.isolated, *part.frames):
        for remark in frame.remarks:
            said[remark].append(frame)
    for remark, frames in said.items():
        yield from concerning(remark.level, "reading", part.name, frames, f"{remark.text} (#)", remark.advice)
    for row in outputs():
        name = row.name
        names: dict[str, list[Frame]] = defaultdict(list)
        for frame in part.frames:
            # the free energy of one frame and the energy of another, where both are the same, are one column
            if name in frame.keys and frame.keys[name] not in row.force_keys:
                names[frame.keys[name]].append(frame)
        fewest = min(names.values(), key=len, default=[])
        if len(names) > 1:
            counts = ", ".join(f"from {key!r} in {len(found)}" for key, found in names.items())
            yield from concerning(
                "warning",
                "mixed-keys",
                part.name,
                fewest,
                f"{name} is read {counts} frames",
                f"do all come from one method? if not, name the column with --key {name}=COLUMN",
            )
    weighted = [f for f in part.frames if f.weight != 1.0]
    values = sorted({f.weight for f in weighted})
    yield from concerning(
        "info",
        "weights",
        part.name,
        weighted,
        f"# with a weight in the loss, from {values[0]:g} to {values[-1]:g}" if values else "",
        "",
    )
