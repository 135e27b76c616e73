"""What a potential must know of its training frames before it is fitted."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch

from equishare.atoms.frame import Frame, species_counts, stacked
from equishare.errors import EquishareError
from equishare.potential import AtomGraph, Statistics
from equishare.training.data.batches import joined
from equishare.training.data.levels import Levels, above

_MOST_GRAPHS, _AT_A_TIME = 20_000, 100
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
    squares: list[float] = []
    components = 0
    for some, forces in stacked(frames, "forces"):
        finite = np.where(np.isfinite(forces), forces, 0.0)
        squares += np.bincount(_owners(some), np.einsum("ij,ij->i", finite, finite), len(some)).tolist()
        components += int(np.isfinite(forces).sum())
    having = [frame for frame in frames if frame.has("energy")]
    species, found = species_counts(having)
    counts = np.array([found[:, species.index(s)] if s in species else np.zeros(len(having)) for s in elements]).T
    above_first = np.array([(frame.energy or 0.0) - above(frame, levels) for frame in having])
    target = above_first - counts @ np.array([reference_energies[element] for element in elements])
    if not having and not components:
        raise EquishareError(
            "no training frame has an energy or forces; name them with --key energy=COLUMN and --key forces=COLUMN"
        )
    solution = np.linalg.lstsq(counts, target, rcond=1e-8)[0] if having else np.zeros(len(elements))
    scale = math.sqrt(math.fsum(squares) / components) if components else 0.0
    scatter = float(np.std((target - counts @ solution) / counts.sum(axis=1))) if having else 0.0
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


def _owners(frames: Sequence[Frame]) -> np.ndarray:
    """For each atom of some frames the place of its frame."""
    return np.repeat(np.arange(len(frames)), [frame.n_atoms for frame in frames])


def _surroundings(graphs: Sequence[AtomGraph]) -> tuple[float, float]:
    """Neighbours of an atom, and the distance in Å to its nearest where it has one, on average; of many graphs some, evenly drawn."""
    chosen = np.unique(np.linspace(0, len(graphs) - 1, min(len(graphs), _MOST_GRAPHS)).round().astype(int))
    atoms, edges, near, sums = 0, 0, 0, []
    for first in range(0, len(chosen), _AT_A_TIME):
        batch = joined(graphs, chosen[first : first + _AT_A_TIME])
        lengths = torch.linalg.vector_norm(batch.edge_vectors(), dim=1)
        nearest = torch.full((len(batch.numbers),), torch.inf, dtype=lengths.dtype)
        found = nearest.scatter_reduce(0, batch.edge_index[1], lengths, "amin").numpy()
        met = np.isfinite(found)
        atoms, edges, near = atoms + len(met), edges + len(lengths), near + int(met.sum())
        sums += np.bincount(batch.atom_batch.numpy(), np.where(met, found, 0.0), batch.n_graphs).tolist()
    return edges / max(1, atoms), math.fsum(sums) / near if near else 1.0
