"""Learning curves: errors over the number of training frames."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from reference_sets.score import error
from reference_sets.sets import SETS


def learning_curves(results: Mapping[str, Mapping[str, Any]]) -> str:
    """A table of errors on the test frames, with their slopes; empty where no run is on a part of the frames."""
    places = {(row["set"], row["preset"], row["minutes"]) for row in results.values() if "frames" in row}
    lines = [
        "| set, preset, CPU time | frames | energy | forces |",
        "| --- | --- | --- | --- |",
    ]
    slopes = []
    for place in sorted(places):
        name, preset, minutes = place
        each, by_frames = SETS[name], {}
        for row in results.values():
            if (row["set"], row["preset"], row["minutes"]) == place:
                by_frames.setdefault(row.get("frames", each.random), []).append(row)
        errors = {
            frames: [error(by_frames[frames], reference, "test") for reference in (each.energy, each.forces)]
            for frames in sorted(by_frames)
        }
        for frames, (energy, forces) in errors.items():
            cells = f"{energy:.3g} {each.energy.unit} | {forces:.3g} {each.forces.unit}"
            lines.append(f"| {name}, {preset}, {minutes:g} min | {frames} | {cells} |")
        if len(errors) > 1:
            found = [slope(list(errors), [pair[k] for pair in errors.values()]) for k in (0, 1)]
            slopes.append(f"{name}, {preset}, {minutes:g} min: {found[0]:.2f}, {found[1]:.2f}")
    said = f"Slopes of their logarithms, energy and forces: {'; '.join(slopes)}." if slopes else ""
    return "\n".join([*lines, "", said]).strip() if places else ""


def slope(frames: Sequence[float], errors: Sequence[float]) -> float:
    """Of the least-squares line through the logarithms: an error falls as that power of the number of frames.

    >>> round(slope([10, 100, 1000], [8.0, 4.0, 2.0]), 3)
    -0.301
    """
    x, y = [math.log(n) for n in frames], [math.log(value) for value in errors]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)
