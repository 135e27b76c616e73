"""Is every geometry one that can be?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from equishare.atoms.checks.findings import DataFinding
from equishare.atoms.checks.part import Part, concerning
from equishare.atoms.neighbours import GraphError, has_room, neighbour_list

__all__ = ["check_geometry"]

_OVERLAP = 0.5  # of the sum of the covalent radii; MD at 600 K reaches down to 0.8


def check_geometry(part: Part) -> Iterator[DataFinding]:
    """No frames, NaN, cells without volume, unknown species, overlapping atoms, atoms without neighbours."""
    frames, suspects, name = (*part.isolated, *part.frames), part.suspects, part.name
    if not part.frames:
        yield DataFinding(
            "error",
            "no-frames",
            f"{name}: no frames besides {len(part.isolated)} isolated atoms",
            "give frames of molecules or crystals with energies and forces",
        )
    yield from concerning(
        "error",
        "nan-position",
        name,
        [f for f in suspects if not np.isfinite(f.positions).all()],
        "NaN or infinity in the positions of #",
        "remove these frames",
    )
    spoilt = [f for f in frames if not np.isfinite(f.cell).all()]
    yield from concerning(
        "error",
        "nan-cell",
        name,
        spoilt,
        "NaN or infinity in the cell of #",
        "remove these frames",
    )
    yield from concerning(
        "error",
        "zero-volume",
        name,
        [f for f in suspects if np.isfinite(f.cell).all() and not has_room(f.atoms)],
        "# said to be periodic, but with a cell of next to no volume",
        'give the cell (Lattice="..." in extended XYZ) in Å, or pbc="F F F" for molecules',
    )
    yield from _without_graph(part)
    yield from concerning(
        "error",
        "unknown-species",
        name,
        [f for f in frames if f.composition.strange],
        "dummy atoms ('X') in #",
        "remove them, or write their chemical symbols",
    )
    measured = part.geometries
    overlapping = np.flatnonzero(measured.least(measured.ratios) < _OVERLAP).tolist()
    if overlapping:
        closest = float(measured.least(measured.nearest)[overlapping].min())
        yield from concerning(
            "error",
            "overlap",
            name,
            [part.frames[n] for n in overlapping],
            f"atoms closer than {_OVERLAP:g} of the sum of covalent radii in # (down to {closest:.3f} Å)",
            "remove these frames; if it is all of them, see the unit of the positions and the cell",
        )
    lonely = part.sound[part.lonely > 0].tolist()
    count = int(part.lonely.sum())
    yield from concerning(
        "warning",
        "no-neighbours",
        name,
        [part.frames[n] for n in lonely],
        f"{count} atom{'s' * (count != 1)} without a neighbour within {part.cutoff:g} Å in #",
        "their energy will not depend on where they are: take a longer cutoff, or see that they belong there",
    )


def _without_graph(part: Part) -> Iterator[DataFinding]:
    """Frames whose numbers are finite, but not those of atoms."""
    for frame in part.suspects:
        finite = np.isfinite(frame.positions).all() and np.isfinite(frame.cell).all()
        if not finite or not frame.n_atoms or not has_room(frame.atoms):
            continue
        try:
            neighbour_list(frame.atoms, part.cutoff)
        except GraphError as error:
            yield from concerning("error", "no-graph", part.name, [frame], f"{error} (#)", "mend or remove this frame")
