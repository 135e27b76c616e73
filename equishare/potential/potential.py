"""The fitted potential: energy from a network, forces and stress from its one derivative."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from ase import Atoms
from ase.data import chemical_symbols
from torch import Tensor, nn

from equishare.errors import EquishareError
from equishare.nn import Edges
from equishare.potential import base
from equishare.potential.committee import Committee
from equishare.potential.config import ModelConfig
from equishare.potential.density_net import DensityNet
from equishare.potential.derivatives import edge_forces, mean_square, virial
from equishare.potential.errors import UnknownSpeciesError
from equishare.potential.given import Given, conditioned_graph
from equishare.potential.graph import AtomGraph, collate
from equishare.potential.heads import HEADS, EnergyHead, State, highest_degree, make_heads
from equishare.potential.long_range import LongRange, Space
from equishare.potential.operations import Operations
from equishare.potential.prediction import Prediction
from equishare.potential.repulsion import ZBL
from equishare.potential.statistics import Statistics
from equishare.potential.torch_operations import TorchOperations

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator


class AtomEnergies(NamedTuple):
    """Energies of atoms in eV, and what they are made of: tensors, or nodes of a tape over arrays.

    Attributes:
        interaction: Without the isolated atoms'.
        total: With them, in float64.
        read: What a committee's members are linear in, ``[atoms, inputs]``; None without one.
        features: After each layer.
        bonding: γ of each atom.
        charges: Those that interact beyond the cutoff; None: there are none.
    """

    interaction: Any
    total: Any
    read: Any
    features: list[Any]
    bonding: Any
    charges: Any = None


class Potential(nn.Module):
    r"""Energy of atoms; forces and stress are its exact derivatives.

    .. math:: E = \sum_i \Big( E^0_{z_i} + \gamma_i \,(\mu_{z_i} + \sigma\, e_i) \Big), \qquad
              F_i = -\frac{\partial E}{\partial r_i}, \qquad
              \mathrm{stress} = \frac{1}{V} \sum_{e} r_e \otimes \frac{\partial E}{\partial r_e}

    with e_i and the bonding factor γ_i from the network: isolated atoms have exactly their E0. With ``config.repulsion`` half of
    every neighbour's repulsion (`ZBL`) comes on top, with ``config.long_range`` the Coulomb energy of charges (`LongRange`), with
    ``config.base`` the interaction energy of a cheap method (`equishare.potential.base`). Energy is invariant, forces, stress and dipole are equivariant under
    O(3), translations and permutations: exact.

    Args:
        config: Shape of the network.
        statistics: What it takes from its training data; bare reference energies, E0 in eV of each element it is to
            know, for default values of the rest.

    Raises:
        ValueError: for no elements, or unknown symbols.
        BaseError: if what computes the cheap method is not installed.
    """

    species_of_number: Tensor

    def __init__(self, config: ModelConfig, statistics: Statistics | Mapping[str, float]) -> None:
        super().__init__()
        if config.base is not None:
            base.require()
        self.config = config
        self.statistics = found = Statistics.of(statistics)
        l_last = highest_degree(config.heads)
        self.net = DensityNet(config, len(found.species), found.neighbours, found.spacing, l_last)
        self.energy = EnergyHead(config, self.net.degrees[1:])
        self.heads = nn.ModuleDict(dict(make_heads(config, l_last)))
        self.committee: Committee | None = None
        self.long_range = LongRange(config, l_last) if config.long_range == "coulomb" else None
        self.repulsion = ZBL(found.species, found.min_distance) if config.repulsion == "zbl" else None
        lookup = torch.full((len(chemical_symbols) + 1,), -1)
        lookup[torch.tensor(found.numbers)] = torch.arange(len(found.numbers))
        self.register_buffer("species_of_number", lookup, persistent=False)

    @property
    def species(self) -> tuple[str, ...]:
        """Elements that the potential knows, by atomic number."""
        return self.statistics.species

    @property
    def cutoff(self) -> float:
        """Radius in Å within which two atoms of one layer see each other."""
        return self.config.cutoff

    @property
    def reads(self) -> tuple[str, ...]:
        """Properties that the heads read besides the energy."""
        made = {type(head) for head in self.heads.values()}
        return tuple(
            name for name, head in HEADS.items() if head in made or (name == "charges" and self.long_range is not None)
        )

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
        if torch.is_inference_mode_enabled():  # which knows no derivatives, and forces are one
            with torch.inference_mode(False), torch.no_grad():
                return self(graph.clone(), forces, stress, forces_uncertainty)
        species = self.species_index(graph.numbers)
        derive = forces or stress or (forces_uncertainty and self.committee is not None)
        recorded = torch.is_grad_enabled()
        with torch.set_grad_enabled(derive or recorded):
            # differences of positions in float64, whatever the network's type: it does not depend on the origin, float32 does
            vectors = graph.edge_vectors().to(self.dtype)
            curvature = vectors.requires_grad
            if derive and not curvature:
                vectors.requires_grad_()
            ops = TorchOperations(
                vectors=vectors,
                species=species,
                edges=Edges(graph.edge_index, len(species)),
                batch=graph.atom_batch,
                n_graphs=graph.n_graphs,
                curvature=curvature,
                create_graph=self.training or graph.positions.requires_grad,
                space=None if self.long_range is None else Space.of(graph),
            )
            given = Given.of_graph(graph, self.config, self.dtype)
            prediction = self.evaluate(ops, given, forces, stress, forces_uncertainty)
        if self.config.base is not None:
            prediction = base.added(prediction, graph)
        return prediction if recorded else prediction.map(torch.Tensor.detach)

    def evaluate(
        self, ops: Operations, given: Given, forces: bool, stress: bool, forces_uncertainty: bool
    ) -> Prediction:
        """The network's part, on tensors or on arrays, which is all without a base; see `forward`."""
        atoms = self.energies(ops, given)
        interaction = ops.sum_atoms(atoms.interaction)
        found: dict[str, Any] = {}
        if (committee := self.committee) is not None:
            read = ops.sum_atoms(atoms.read)
            found["deviations"] = members = ops.plain(ops.affine(read, committee.directions))
            found["energy_uncertainty"] = committee.energy_factor * (members**2).sum(1) ** 0.5
            if forces_uncertainty:
                rows = [ops.constant(row) for row in committee.directions[: committee.members]]
                spread = [mean_square(edge_forces(ops, ops.gradient(read, row))) for row in rows]
                found["forces_uncertainty"] = committee.forces_spread(sum(spread))
        state = _state(atoms.features, atoms.bonding, given)
        outputs = {name: value for head in self.heads.values() for name, value in head(ops, state).items()}
        if atoms.charges is not None:
            outputs["charges"] = atoms.charges
        if forces or stress:
            gradient = ops.gradient(atoms.interaction)
            found["forces"] = edge_forces(ops, gradient) if forces else None
            whole = virial(ops, ops.plain(ops.vectors), gradient) if stress else None
            if self.long_range is not None:
                found["forces"] = found["forces"] + ops.remote_forces() if forces else None
                whole = whole + ops.remote_virial() if stress else None
            found["stress"] = whole * given.over_volume if stress else None
        return Prediction(
            energy=ops.sum_atoms(atoms.total),
            interaction_energy=ops.plain(interaction),
            node_energy=atoms.total,
            outputs={name: ops.plain(value) for name, value in outputs.items()},
            **found,
        )

    def energies(self, ops: Operations, given: Given) -> "AtomEnergies":
        """The energy of each atom, and what it is made of."""
        constants = self.statistics
        repulsion = None if self.repulsion is None else ops.repel(self.repulsion)
        features, bonding, last = self.net(ops, self.energy.last, constants.scale, given.conditions)
        node, inputs = self.energy(ops, features, last)
        node = bonding * (ops.of_species(constants.shift) + constants.scale * node)
        node = node if repulsion is None else node + repulsion
        charges = None
        if self.long_range is not None:
            charges = self.long_range.charges(ops, _state(features, bonding, given), self.heads)
            node = node + ops.coulomb(charges)
        total = ops.exact(node) + ops.of_species(constants.reference_energies, exact=True)
        method = given.conditions.get("method")
        for row, name in enumerate(self.config.methods):
            if name in constants.levels and method is not None and bool((method == row).any()):
                is_his = ops.to_atoms(0.0 + (method == row))
                total = total + is_his * ops.of_species(constants.levels[name], exact=True)
        read = None
        if self.committee is not None:
            read = ops.column(constants.scale * bonding) * ops.concatenate(inputs)
        return AtomEnergies(node, total, read, features, bonding, charges)

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
            raise UnknownSpeciesError.of(self.species, names)
        return index

    @torch.no_grad()
    def predict(
        self,
        frames: Sequence[Atoms],
        batch_size: int = 16,
        forces: bool = True,
        stress: bool = False,
        forces_uncertainty: bool = False,
    ) -> list[dict[str, Any]]:
        """Predict structures in batches, in evaluation mode; conditions that the model takes are read from ``atoms.info``.

        Returns:
            For each structure a dictionary of NumPy values: ``energy`` (float, eV), ``energies`` (eV an atom), and as asked
            and available ``forces``, ``stress`` (3x3), ``energy_uncertainty``, ``forces_uncertainty`` and what the heads read.

        Raises:
            GraphError: for a structure that has no graph.
            UnknownSpeciesError: for an element that the potential does not know.
            EquishareError: for one structure instead of a list, or a batch size below one.
        """
        if isinstance(frames, Atoms) or batch_size < 1:
            raise EquishareError(
                f"expected a list of structures, predict([atoms]), and batches of 1 or more, got {type(frames).__name__} and {batch_size}"
            )
        results: list[dict[str, Any]] = []
        was_training = self.training
        self.eval()
        try:
            for start in range(0, len(frames), batch_size):
                graphs = [conditioned_graph(atoms, self.config) for atoms in frames[start : start + batch_size]]
                batch = collate(graphs).to(self.device)
                prediction = self(batch, forces=forces, stress=stress, forces_uncertainty=forces_uncertainty)
                results += prediction.rows([len(graph.numbers) for graph in graphs])
        finally:
            self.train(was_training)
        return results

    def calculator(
        self, device: str | torch.device | None = None, dtype: str | torch.dtype | None = None
    ) -> "Calculator":
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


def _state(features: list[Any], bonding: Any, given: Given) -> State:
    return State(features, bonding, given.positions, given.origin, given.conditions.get("charge"))
