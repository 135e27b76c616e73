"""A cheap method that a potential adds to: the network learns what the cheap method misses."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from ase import units
from torch import Tensor

from equishare.errors import EquishareError
from equishare.potential.graph import AtomGraph
from equishare.potential.prediction import Prediction

_STEP = 0.005
"""Å, of the differences that make second derivatives."""


class BaseError(EquishareError):
    """The cheap method that a potential adds to fails, or what computes it is not installed."""


class BaseValues(NamedTuple):
    """What the cheap method says of one structure, or of a batch: arrays or tensors in float64.

    Attributes:
        energies: Of the atoms in eV, without those of isolated atoms.
        forces: ``[atoms, 3]`` in eV/Å.
        virial: Stress times volume, ``[3, 3]`` or ``[graphs, 3, 3]``, in eV.
    """

    energies: Any
    forces: Any
    virial: Any


FIELDS = tuple(f"base_{name}" for name in BaseValues._fields)
"""Of graphs that carry the values, so that training computes them once."""


def require() -> None:
    """See that the cheap method can be computed.

    Raises:
        BaseError: if tblite is not installed.
    """
    if importlib.util.find_spec("tblite") is None:
        raise BaseError(
            "a potential with base xtb adds to GFN2-xTB, which tblite computes, and that is not installed: "
            "pip install 'equishare[xtb]'"
        )


def xtb(
    numbers: np.ndarray,
    positions: np.ndarray,
    cell: np.ndarray | None = None,
    charge: int = 0,
    spin: int | None = None,
) -> BaseValues:
    """Interaction energy of GFN2-xTB, with forces and virial; zero of a lone atom.

    Args:
        numbers: Atomic numbers.
        positions: In Å.
        cell: Of a crystal in Å, rows are vectors; None: a molecule.
        charge: Total charge in e.
        spin: Multiplicity; None: the lowest.

    Raises:
        BaseError: if it does not converge, has no parameters for an element, or tblite is not installed.

    From Bannwarth, Ehlert & Grimme, "GFN2-xTB" (2019).
    """
    if len(numbers) == 1 and cell is None:
        return BaseValues(np.zeros(1), np.zeros((1, 3)), np.zeros((3, 3)))
    crystal = {} if cell is None else {"lattice": cell / units.Bohr, "periodic": np.ones(3, dtype=bool)}
    unpaired = None if spin is None else spin - 1
    energies, forces, virial = _singlepoint(numbers, positions, charge, uhf=unpaired, **crystal)
    return BaseValues(energies - np.array([_of_atom(int(number)) for number in numbers]), forces, virial)


def periodic_cell(cell: np.ndarray, pbc: np.ndarray) -> np.ndarray | None:
    """The cell of a crystal; None for a molecule, in a box or not.

    Raises:
        BaseError: for a structure that is periodic along one or two axes only.
    """
    if pbc.any() and not pbc.all():
        raise BaseError(
            "GFN2-xTB is computed of molecules and of crystals, got a structure that is periodic along some axes only"
        )
    return cell if pbc.all() else None


@lru_cache
def _of_atom(number: int) -> float:
    """Energy in eV of an isolated atom."""
    return float(_singlepoint(np.array([number]), np.zeros((1, 3))).energies[0])


def _singlepoint(numbers: np.ndarray, positions: np.ndarray, charge: int = 0, **state: Any) -> BaseValues:
    """What tblite says, in our units; the rest of the state and the cell are given in its own words and units."""
    require()
    from tblite.interface import Calculator

    try:
        calculator = Calculator("GFN2-xTB", np.asarray(numbers), positions / units.Bohr, charge=charge, **state)
        calculator.set("verbosity", 0)
        calculator.set("accuracy", 0.1)  # forces are the derivative of the energy to more digits
        found = calculator.singlepoint()
    except (RuntimeError, ValueError) as error:
        raise BaseError(
            f"GFN2-xTB, which the potential adds to, fails for a structure of {len(numbers)} atoms and charge {charge}: {error}; "
            "give its charge and multiplicity, or leave such structures out"
        ) from error
    return BaseValues(
        units.Hartree * np.asarray(found.get("energies"), dtype=float),
        -units.Hartree / units.Bohr * np.asarray(found.get("gradient"), dtype=float),
        units.Hartree * np.asarray(found.get("virial"), dtype=float),
    )


def of_graph(graph: AtomGraph) -> BaseValues:
    """Values of a batch: those that its graphs carry, or else computed."""
    if all(name in graph for name in FIELDS):
        return BaseValues(*(graph[name] for name in FIELDS))
    positions, cells = (graph[name].detach().double().cpu().numpy() for name in ("positions", "cell"))
    numbers, batch = graph.numbers.cpu().numpy(), graph.atom_batch.cpu().numpy()
    given = graph.get("pbc")
    pbc = np.linalg.det(cells)[:, None] != 0 if given is None else given.cpu().numpy()
    parts = []
    for k, cell in enumerate(cells):
        own = batch == k
        states = {name: int(graph[name][k]) for name in ("charge", "spin") if name in graph}
        parts.append(xtb(numbers[own], positions[own], periodic_cell(cell, pbc[k]), **states))
    energies, forces, virials = zip(*parts, strict=True)
    arrays = np.concatenate(energies), np.concatenate(forces), np.stack(virials)
    return BaseValues(*(torch.from_numpy(array).to(graph.cell.device) for array in arrays))


def carrying(graph: AtomGraph, values: BaseValues | None = None) -> AtomGraph:
    """The graph of one structure with the values, which are computed where they are not given."""
    found = of_graph(graph) if values is None else values
    energies, forces, virial = (torch.as_tensor(value, device=graph.cell.device) for value in found)
    return AtomGraph(**graph, **dict(zip(FIELDS, (energies, forces, virial.reshape(1, 3, 3)), strict=True)))


def added(prediction: Prediction, graph: AtomGraph) -> Prediction:
    """What the network says of a batch and what the cheap method does, together: energies, forces and stress.

    The interaction energy stays the network's.
    """
    base, volume = of_graph(graph), torch.linalg.det(graph.cell).abs()
    energy = base.energies.new_zeros(graph.n_graphs).index_add(0, graph.atom_batch, base.energies)
    stress = base.virial * torch.where(volume > 0, 1 / volume.clamp(min=1e-30), 0.0)[:, None, None]
    like = prediction.interaction_energy
    return joined(prediction, energy, base.energies, base.forces.to(like), stress.to(like))


def joined(prediction: Prediction, energy: Any, energies: Any, forces: Any, stress: Any) -> Prediction:
    """The sum, of tensors or of arrays."""
    return replace(
        prediction,
        energy=prediction.energy + energy,
        node_energy=prediction.node_energy + energies,
        forces=None if prediction.forces is None else prediction.forces + forces,
        stress=None if prediction.stress is None else prediction.stress + stress,
    )


def second_derivatives(graph: AtomGraph) -> Tensor:
    """Matrix of second derivatives of the cheap method's energy of one structure in eV/Å^2, by central differences of its forces."""
    moved, rows = graph.clone(), []
    for name in FIELDS:
        moved.pop(name, None)
    for k in range(graph.positions.numel()):
        forces = []
        for step in (_STEP, -_STEP):
            positions = graph.positions.detach().clone()
            positions.view(-1)[k] += step
            moved.positions = positions
            forces.append(of_graph(moved).forces.reshape(-1))
        rows.append((forces[1] - forces[0]) / (2 * _STEP))
    matrix = torch.stack(rows)
    return (matrix + matrix.T) / 2
