"""Frames as graphs with labels, and what a potential must know of them before it is fitted."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from equishare.atoms.frame import Frame
from equishare.errors import EquishareError
from equishare.potential import AtomGraph, GraphError, Statistics, from_atoms


def labelled_graph(frame: Frame, cutoff: float, dtype: torch.dtype = torch.float32) -> AtomGraph:
    """Graph of a frame with its labels; what is not labelled is NaN.

    Raises:
        GraphError: if the frame has no graph; the message names it.

    >>> from equishare.atoms import read_frames
    >>> (frame,) = read_frames("ethanol@7")
    >>> labelled_graph(frame, cutoff=5.0).forces.shape
    torch.Size([9, 3])
    """
    try:
        graph = from_atoms(frame.atoms, cutoff, frame.neighbours(cutoff))
    except GraphError as error:
        raise GraphError(f"{frame.name}: {error}") from error
    shapes = {"forces": (len(frame.atoms), 3), "stress": (3, 3), "dipole": (3,)}
    energy = np.nan if frame.energy is None else frame.energy
    graph.energy = torch.tensor([energy], dtype=torch.float64)
    for name, shape in shapes.items():
        value = frame.label(name)
        tensor = torch.full(shape, torch.nan, dtype=dtype) if value is None else torch.tensor(value, dtype=dtype)
        graph[name] = tensor if name == "forces" else tensor.unsqueeze(0)
    return graph


def statistics(
    frames: Sequence[Frame], graphs: Sequence[AtomGraph], reference_energies: Mapping[str, float]
) -> Statistics:
    r"""Constants of training frames.

    The scale is the RMS of the force components, without forces the scatter of the energy an atom; never zero. Spacing is the mean of the
    atoms that have a neighbour.

    The shift solves :math:`\\min_\\mu \\sum_f (E_f - \\sum_s n_{fs} E^0_s - \\sum_s n_{fs} \\mu_s)^2`, with the least norm where the
    compositions leave it open.

    Raises:
        EquishareError: if no frame has an energy or forces.
    """
    elements = list(reference_energies)
    compositions, targets, forces = [], [], []
    for frame in frames:
        if frame.forces is not None:
            forces.append(frame.forces.ravel())
        if frame.energy is not None and np.isfinite(frame.energy):
            symbols = frame.atoms.get_chemical_symbols()
            compositions.append([symbols.count(element) for element in elements])
            targets.append(frame.energy - sum(reference_energies[symbol] for symbol in symbols))
    if not targets and not forces:
        raise EquishareError(
            "no training frame has an energy or forces; name them with --key energy=COLUMN and --key forces=COLUMN"
        )
    counts, target = np.reshape(compositions, (-1, len(elements))).astype(float), np.asarray(targets, dtype=float)
    solution = np.linalg.lstsq(counts, target, rcond=1e-8)[0] if targets else np.zeros(len(elements))
    components = np.concatenate(forces) if forces else np.zeros(0)
    components = components[np.isfinite(components)]
    if components.size and components.any():
        scale = float(np.sqrt(np.mean(components**2)))
    else:
        scale = float(np.std((target - counts @ solution) / counts.sum(axis=1))) if targets else 0.0
    edges = sum(graph.edge_index.shape[1] for graph in graphs)
    return Statistics(
        reference_energies=dict(reference_energies),
        scale=scale if np.isfinite(scale) and scale > 1e-6 else 1.0,
        shift=dict(zip(elements, solution.tolist(), strict=True)),
        neighbours=edges / max(1, sum(len(graph.numbers) for graph in graphs)),
        spacing=_spacing(graphs),
    )


def _spacing(graphs: Sequence[AtomGraph]) -> float:
    nearest = []
    for graph in graphs:
        lengths = torch.linalg.vector_norm(graph.edge_vectors(), dim=1)
        shortest = torch.full((len(graph.numbers),), torch.inf, dtype=lengths.dtype)
        nearest.append(shortest.scatter_reduce(0, graph.edge_index[1], lengths, "amin"))
    found = torch.cat(nearest) if nearest else torch.zeros(0)
    found = found[torch.isfinite(found)]
    return float(found.double().mean()) if len(found) else 1.0
