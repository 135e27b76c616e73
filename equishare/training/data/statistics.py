"""What a potential must know of its training frames before it is fitted."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch

from equishare.atoms.frame import Frame
from equishare.errors import EquishareError
from equishare.potential import AtomGraph, Statistics
from equishare.training.data.batches import atoms_in
from equishare.training.data.levels import Levels, above

_ROUNDING = (
    0.01  # 1/Å: of the scatter of the energies; forces of thermal atoms are tens of times as large as that scatter
)


def statistics(
    frames: Sequence[Frame],
    graphs: Sequence[AtomGraph],
    reference_energies: Mapping[str, float],
    levels: Levels = MappingProxyType({}),
) -> Statistics:
    r"""Constants of training frames.

    The scale is the RMS of the force components; where there are none, or symmetry leaves but rounding of them, the scatter of the energy an
    atom; never zero. Spacing is the mean of the
    atoms that have a neighbour.

    The shift solves :math:`\min_\mu \sum_f (E_f - \sum_s n_{fs} E^0_s - \sum_s n_{fs} \mu_s)^2`, with the least norm where the
    compositions leave it open, with energies on the level of the first method.

    Raises:
        EquishareError: if no frame has an energy or forces.
    """
    elements = list(reference_energies)
    compositions, targets, squares, labelled = [], [], [], False
    components = 0
    for frame in frames:
        if frame.forces is not None:
            labelled, finite = True, frame.forces[np.isfinite(frame.forces)]
            squares.append(float(finite @ finite))
            components += len(finite)
        if frame.energy is not None and np.isfinite(frame.energy):
            symbols = frame.atoms.get_chemical_symbols()
            compositions.append([symbols.count(element) for element in elements])
            rest = frame.energy - above(frame, levels)
            targets.append(rest - sum(reference_energies[symbol] for symbol in symbols))
    if not targets and not labelled:
        raise EquishareError(
            "no training frame has an energy or forces; name them with --key energy=COLUMN and --key forces=COLUMN"
        )
    counts, target = np.reshape(compositions, (-1, len(elements))).astype(float), np.asarray(targets, dtype=float)
    solution = np.linalg.lstsq(counts, target, rcond=1e-8)[0] if targets else np.zeros(len(elements))
    scale = math.sqrt(math.fsum(squares) / components) if components else 0.0
    scatter = float(np.std((target - counts @ solution) / counts.sum(axis=1))) if targets else 0.0
    if scale < _ROUNDING * scatter:
        scale = scatter
    neighbours, spacing = _surroundings(graphs)
    return Statistics(
        reference_energies=dict(reference_energies),
        scale=scale if np.isfinite(scale) and scale > 1e-6 else 1.0,
        shift=dict(zip(elements, solution.tolist(), strict=True)),
        levels={name: dict(level) for name, level in levels.items()},
        neighbours=neighbours,
        spacing=spacing,
    )


def _surroundings(graphs: Sequence[AtomGraph]) -> tuple[float, float]:
    """Neighbours of an atom, and the distance in Å to its nearest where it has one, on average."""
    edges, near, sums = 0, 0, []
    for graph in graphs:
        edges += graph.edge_index.shape[1]
        lengths = torch.linalg.vector_norm(graph.edge_vectors(), dim=1)
        nearest = torch.full((len(graph.numbers),), torch.inf, dtype=lengths.dtype)
        nearest = nearest.scatter_reduce(0, graph.edge_index[1], lengths, "amin")
        nearest = nearest[torch.isfinite(nearest)]
        near += len(nearest)
        sums.append(float(nearest.sum()))
    return edges / max(1, atoms_in(graphs)), math.fsum(sums) / near if near else 1.0
