"""Is there an isolated atom of each species?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from equishare.atoms.checks.findings import DataFinding
from equishare.atoms.checks.part import Part

__all__ = ["check_reference_energies"]


def check_reference_energies(train: Part, e0: Mapping[str, float]) -> Iterator[DataFinding]:
    """Species without an isolated atom."""
    species = sorted({s for c in {f.composition for f in train.frames} for s in c.counts} - {"X"})
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
