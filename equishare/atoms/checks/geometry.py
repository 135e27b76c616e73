"""Is every geometry one that can be?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from equishare.atoms.checks.findings import DataFinding
from equishare.atoms.checks.part import Part, concerning
from equishare.atoms.neighbours import GraphError, check_structure, periodic_volume

__all__ = ["check_geometry"]

_OVERLAP = 0.5  # of the sum of the covalent radii; MD at 600 K reaches down to 0.8


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
    yield from concerning(
        "error",
        "nan-position",
        name,
        [f for f in frames if not np.isfinite(f.atoms.positions).all()],
        "NaN or infinity in the positions of #",
        "remove these frames",
    )
    finite = [f for f in frames if np.isfinite(f.atoms.cell[:]).all()]
    yield from concerning(
        "error",
        "nan-cell",
        name,
        [f for f in frames if not np.isfinite(f.atoms.cell[:]).all()],
        "NaN or infinity in the cell of #",
        "remove these frames",
    )
    yield from concerning(
        "error",
        "zero-volume",
        name,
        [f for f in finite if periodic_volume(f.atoms) <= (0.3 * len(f.atoms) if f.atoms.pbc.all() else 0.1)],
        "# said to be periodic, but with a cell of next to no volume",
        'give the cell (Lattice="..." in extended XYZ) in Å, or pbc="F F F" for molecules',
    )
    yield from _without_graph(part)
    yield from concerning(
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
        yield from concerning(
            "error",
            "overlap",
            name,
            [part.frames[n] for n in overlapping],
            f"atoms closer than {_OVERLAP:g} of the sum of covalent radii in # (down to {closest:.3f} Å)",
            "remove these frames; if it is all of them, see the unit of the positions and the cell",
        )
    lonely = [n for n, atoms in zip(part.sound, part.lonely, strict=True) if atoms]
    count = sum(part.lonely)
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
    for frame in (*part.isolated, *part.frames):
        finite = np.isfinite(frame.atoms.positions).all() and np.isfinite(frame.atoms.cell[:]).all()
        if not finite or not len(frame.atoms) or not periodic_volume(frame.atoms) > 1e-6:
            continue
        try:
            check_structure(frame.atoms)
        except GraphError as error:
            yield from concerning("error", "no-graph", part.name, [frame], f"{error} (#)", "mend or remove this frame")
