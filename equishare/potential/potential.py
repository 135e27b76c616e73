"""The fitted potential: energy from a network, forces and stress from its one derivative."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from torch import Tensor, nn

from equishare.nn import Edges
from equishare.potential.committee import Committee
from equishare.potential.config import ModelConfig
from equishare.potential.density_net import DensityNet
from equishare.potential.errors import UnknownSpeciesError
from equishare.potential.graph import AtomGraph, collate, from_atoms
from equishare.potential.repulsion import ZBL

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator


@dataclass(frozen=True)
class Prediction:
    """What a potential says of a batch of structures.

    ================== ===================== ==================================================
    field              shape                 meaning
    ================== ===================== ==================================================
    energy             ``[graphs]``          total energy in eV, float64
    interaction_energy ``[graphs]``          energy without the isolated atoms' in eV
    node_energy        ``[atoms]``           energy of each atom in eV, float64; sums to energy
    forces             ``[atoms, 3]``        eV/Å
    stress             ``[graphs, 3, 3]``    eV/Å^3, ASE's sign; zero for a structure without cell
    dipole             ``[graphs, 3]``       e·Å
    charges            ``[atoms]``           partial charges in e; sum to zero in each structure
    deviations         ``[graphs, members]`` energies of a committee's members relative to their mean in eV, not calibrated
    energy_uncertainty ``[graphs]``          standard deviation in eV, calibrated
    forces_uncertainty ``[atoms]``           standard deviation of a force component in eV/Å, calibrated
    ================== ===================== ==================================================
    """

    energy: Tensor
    interaction_energy: Tensor
    node_energy: Tensor
    forces: Tensor | None = None
    stress: Tensor | None = None
    dipole: Tensor | None = None
    charges: Tensor | None = None
    deviations: Tensor | None = None
    energy_uncertainty: Tensor | None = None
    forces_uncertainty: Tensor | None = None


class Potential(nn.Module):
    r"""Energy of atoms; forces and stress are its exact derivatives.

    .. math:: E = \sum_i \Big( E^0_{z_i} + \gamma_i \,(\mu_{z_i} + \sigma\, e_i) \Big), \qquad
              F_i = -\frac{\partial E}{\partial r_i}, \qquad
              \mathrm{stress} = \frac{1}{V} \sum_{e} r_e \otimes \frac{\partial E}{\partial r_e}

    with e_i and the bonding factor γ_i from the network: isolated atoms have exactly their E0. With ``config.repulsion`` half of
    every neighbour's repulsion (`ZBL`) comes on top. Energy is invariant, forces, stress and dipole are equivariant under
    O(3), translations and permutations: exact.

    Args:
        config: Shape of the network.
        reference_energies: E0 in eV of each element, such as ``{"H": -13.6, "O": -430.1}``: the elements it knows.
        scale: σ, unit of the network's energies in eV (the forces' RMS in eV/Å is a good one).
        shift: μ in eV of each element: its mean energy when bonded; zero where absent.
        neighbours: Mean number of neighbours within the cutoff in the training data.
        spacing: Mean distance in Å of an atom to its nearest neighbour in the training data.
        min_distance: Shortest distance in Å of pairs of elements in the training data, such as ``{"C-H": 1.0}``: where
            the repulsion of ``config.repulsion`` begins.

    Raises:
        ValueError: for no elements, or unknown symbols.
    """

    species_of_number: Tensor

    def __init__(
        self,
        config: ModelConfig,
        reference_energies: dict[str, float],
        scale: float = 1.0,
        shift: dict[str, float] | None = None,
        neighbours: float = 12.0,
        spacing: float = 1.2,
        min_distance: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        unknown = [symbol for symbol in (*reference_energies, *(shift or {})) if symbol not in atomic_numbers]
        if unknown or not reference_energies:
            raise ValueError(f"expected the reference energy of at least one element by its symbol, got {unknown}")
        self.config = config
        self.reference_energies = dict(sorted(reference_energies.items(), key=lambda item: atomic_numbers[item[0]]))
        self.scale = float(scale)
        self.shift = {symbol: float((shift or {}).get(symbol, 0.0)) for symbol in self.reference_energies}
        self.neighbours = float(neighbours)
        self.spacing = float(spacing)
        self.min_distance = dict(min_distance or {})
        self.net = DensityNet(config, len(self.reference_energies), neighbours, spacing)
        self.committee: Committee | None = None
        self.repulsion = ZBL(self.species, self.min_distance) if config.repulsion == "zbl" else None
        numbers = [atomic_numbers[symbol] for symbol in self.reference_energies]
        lookup = torch.full((len(chemical_symbols) + 1,), -1)
        lookup[torch.tensor(numbers)] = torch.arange(len(numbers))
        self.register_buffer("species_of_number", lookup, persistent=False)

    @property
    def species(self) -> tuple[str, ...]:
        """Elements that the potential knows, by atomic number."""
        return tuple(self.reference_energies)

    @property
    def cutoff(self) -> float:
        """Radius in Å within which two atoms of one layer see each other."""
        return self.config.cutoff

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return self.net.embedding.weight.dtype

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.net.embedding.weight.device

    def forward(
        self, graph: AtomGraph, forces: bool = True, stress: bool = False, forces_uncertainty: bool = False
    ) -> Prediction:
        """Predict a batch; with a `committee` the uncertainty of the energy, and if asked for that of the forces.

        In training mode the forces can be differentiated once more, for a loss on them; so they can where the positions require
        a gradient, for the Hessian.

        Raises:
            UnknownSpeciesError: if there is an element that the potential does not know.
        """
        species = self.species_index(graph.numbers)
        batch, n_graphs = graph.atom_batch, graph.n_graphs
        uncertain = forces_uncertainty and self.committee is not None
        derive = forces or stress or uncertain
        with torch.set_grad_enabled(derive or torch.is_grad_enabled()):
            vectors = graph.edge_vectors()
            curvature = vectors.requires_grad
            if derive and not curvature:
                vectors.requires_grad_()
            edges = Edges(graph.edge_index, len(species))
            seen, repulsion = (vectors, None) if self.repulsion is None else self.repulsion(vectors, species, edges)
            node, bonding, atomic_dipole, charge, inputs = self.net(seen, species, edges, curvature)
            node = bonding * (self._constant(self.shift, species, self.dtype) + self.scale * node)
            node = node if repulsion is None else node + repulsion
            interaction = node.new_zeros(n_graphs).index_add(0, batch, node)
            members = spread = energy_spread = None
            if (committee := self.committee) is not None:
                of_atoms = (self.scale * bonding).unsqueeze(1) * committee(torch.cat(inputs, dim=1))
                members = node.new_zeros(n_graphs, of_atoms.shape[1]).index_add(0, batch, of_atoms)
                energy_spread = committee.energy_factor * torch.linalg.vector_norm(members, dim=1)
                spread = self._forces_spread(committee, members, vectors, edges) if uncertain else None
            f, s = self._derivatives(interaction, vectors, graph, edges, batch, stress) if derive else (None, None)
        reference = self._constant(self.reference_energies, species, torch.float64)
        total = node.double() + reference
        dipole, charge = self._dipole(graph.positions, atomic_dipole, charge, batch, n_graphs)
        return Prediction(
            energy=total.new_zeros(n_graphs).index_add(0, batch, total),
            interaction_energy=interaction,
            node_energy=total,
            forces=f if forces else None,
            stress=s,
            dipole=dipole,
            charges=charge,
            deviations=members,
            energy_uncertainty=energy_spread,
            forces_uncertainty=spread,
        )

    def species_index(self, numbers: Tensor) -> Tensor:
        """Position of each atom's element among `species`.

        Raises:
            UnknownSpeciesError: if there is an element that the potential does not know.
        """
        inside = numbers.clamp(0, len(self.species_of_number) - 1)
        index = self.species_of_number[inside]
        if bool((index < 0).any()):
            found = sorted({int(z) for z in numbers[index < 0].tolist()})
            names = [chemical_symbols[z] if 0 <= z < len(chemical_symbols) else f"Z={z}" for z in found]
            raise UnknownSpeciesError(
                f"the potential knows {', '.join(self.species)}, but the structure holds {', '.join(names)}; "
                "train on frames that hold every element you want to predict"
            )
        return index

    def _constant(self, values: dict[str, float], species: Tensor, dtype: torch.dtype) -> Tensor:
        """Per-atom constant of each element, exact in any dtype of the weights."""
        return torch.tensor(list(values.values()), dtype=dtype, device=species.device).index_select(0, species)

    def _derivatives(
        self, energy: Tensor, vectors: Tensor, graph: AtomGraph, edges: Edges, batch: Tensor, stress: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Forces and stress from dE/d(edge vector): the only place where the energy is differentiated."""
        n_atoms, n_graphs = len(graph.numbers), graph.n_graphs
        if not len(edges):
            zero = vectors.new_zeros(n_atoms, 3)
            return zero, vectors.new_zeros(n_graphs, 3, 3) if stress else None
        (gradient,) = torch.autograd.grad(
            energy.sum(), vectors, create_graph=self.training or graph.positions.requires_grad
        )
        forces = _forces(gradient, edges, n_atoms)
        if not stress:
            return forces, None
        outer = vectors.unsqueeze(2) * gradient.unsqueeze(1)
        virial = outer.new_zeros(n_graphs, 3, 3).index_add(0, batch[edges.receiver], outer)
        volume = torch.linalg.det(graph.cell).abs()
        inverse = torch.where(volume > 0, 1 / volume.clamp(min=1e-30), 0.0)
        return forces, (virial + virial.transpose(1, 2)) * (0.5 * inverse[:, None, None])

    def _forces_spread(self, committee: Committee, members: Tensor, vectors: Tensor, edges: Edges) -> Tensor:
        """Uncertainty of each atom's forces; a backward pass for each member, and the graph stays for the forces."""
        square = vectors.new_zeros(edges.n_atoms)
        if len(edges):
            for energy in members[:, : committee.members].sum(dim=0):
                (gradient,) = torch.autograd.grad(energy, vectors, retain_graph=True)
                square = square + _forces(gradient, edges, edges.n_atoms).square().mean(dim=1)
        return committee.forces_spread(square)

    def _dipole(
        self, positions: Tensor, atomic_dipole: Tensor | None, charge: Tensor | None, batch: Tensor, n_graphs: int
    ) -> tuple[Tensor | None, Tensor | None]:
        """Dipole of neutral structures: the charges' mean is taken off, so that the origin does not matter."""
        if atomic_dipole is None or charge is None:
            return None, None
        counts = torch.bincount(batch, minlength=n_graphs).to(charge.dtype)
        mean = charge.new_zeros(n_graphs).index_add(0, batch, charge) / counts
        charge = charge - mean[batch]
        moments = charge.unsqueeze(1) * positions + atomic_dipole
        return moments.new_zeros(n_graphs, 3).index_add(0, batch, moments), charge

    @torch.no_grad()
    def predict(
        self,
        frames: Sequence[Atoms],
        batch_size: int = 16,
        forces: bool = True,
        stress: bool = False,
        forces_uncertainty: bool = False,
    ) -> list[dict[str, Any]]:
        """Predict structures in batches, in evaluation mode.

        Returns:
            For each structure a dictionary of NumPy values: ``energy`` (float, eV), ``energies`` (eV an atom), and as asked
            and available ``forces``, ``stress`` (3x3), ``dipole``, ``charges``, ``energy_uncertainty``, ``forces_uncertainty``.

        Raises:
            GraphError: for a structure that has no graph.
            UnknownSpeciesError: for an element that the potential does not know.
        """
        results: list[dict[str, Any]] = []
        was_training = self.training
        self.eval()
        try:
            for start in range(0, len(frames), batch_size):
                graphs = [from_atoms(atoms, self.cutoff, self.dtype) for atoms in frames[start : start + batch_size]]
                batch = collate(graphs).to(self.device)
                prediction = self(batch, forces=forces, stress=stress, forces_uncertainty=forces_uncertainty)
                results += _split(prediction, [len(graph.numbers) for graph in graphs])
        finally:
            self.train(was_training)
        return results

    def calculator(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> "Calculator":
        """ASE calculator of this potential, on a device and in a precision of its own.

        >>> from ase.build import molecule
        >>> potential = Potential(ModelConfig.preset("small"), {"H": -13.6, "O": -430.0})
        >>> water = molecule("H2O")
        >>> water.calc = potential.calculator(dtype=torch.float64)
        >>> water.get_forces().shape
        (3, 3)
        """
        from equishare.simulate.ase_calculator import EquishareCalculator

        return EquishareCalculator(self, device=device, dtype=dtype)


def _forces(gradient: Tensor, edges: Edges, n_atoms: int) -> Tensor:
    """Minus the derivative by the atoms' positions, from that by the edge vectors (sender minus receiver)."""
    zero = gradient.new_zeros(n_atoms, 3)
    return zero.index_add(0, edges.receiver, gradient).index_add(0, edges.sender, -gradient)


def _split(prediction: Prediction, sizes: list[int]) -> list[dict[str, Any]]:
    """One dictionary of NumPy values a structure."""
    per_graph = {
        "energy": prediction.energy,
        "stress": prediction.stress,
        "dipole": prediction.dipole,
        "energy_uncertainty": prediction.energy_uncertainty,
    }
    per_atom = {
        "energies": prediction.node_energy,
        "forces": prediction.forces,
        "charges": prediction.charges,
        "forces_uncertainty": prediction.forces_uncertainty,
    }
    rows: list[dict[str, Any]] = [{} for _ in sizes]
    for name, values in per_graph.items():
        if values is not None:
            for row, value in zip(rows, values.detach().cpu().numpy(), strict=True):
                row[name] = np.array(value) if value.ndim else float(value)
    for name, values in per_atom.items():
        if values is not None:
            for row, value in zip(rows, values.detach().cpu().split(sizes), strict=True):
                row[name] = value.numpy().copy()
    return rows
