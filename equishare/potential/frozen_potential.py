"""A potential whose weights do not change, for evaluation over and over as in dynamics."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from equishare.nn import Edges
from equishare.ops.backend import uses_numba
from equishare.potential.frozen_net import FrozenNet
from equishare.potential.potential import Potential


class FrozenPrediction(NamedTuple):
    """What a frozen potential says of one structure.

    ================== ================ ================================================================================
    field              shape            meaning
    ================== ================ ================================================================================
    energies           ``[atoms]``      eV, float64
    gradient           ``[edges, 3]``   derivative of their sum by the edge vectors in eV/Å
    energy_uncertainty                  standard deviation of their sum in eV, calibrated; None without a committee
    of_members         list of these    derivatives of the members' deviations; empty unless asked for
    ================== ================ ================================================================================
    """

    energies: np.ndarray
    gradient: np.ndarray
    energy_uncertainty: float | None
    of_members: list[np.ndarray]


class FrozenPotential:
    """A `Potential` of arrays: energies, derivatives and uncertainties to rounding, without tensors and autograd's tape.

    On a small molecule those cost more than what they compute. Invariant and equivariant as the potential is: exact.

    Args:
        potential: On the CPU and without dipole, see `serves`; it takes the weights as they are now.

    Raises:
        UnknownSpeciesError: when called, for an element that the potential does not know.

    >>> from equishare.potential import ModelConfig
    >>> frozen = FrozenPotential(Potential(ModelConfig.preset("small"), {"H": -13.6}))
    >>> pair = np.array([0, 1])
    >>> found = frozen(np.array([1, 1]), np.array([[0.0, 0.0, 0.9], [0.0, 0.0, -0.9]]), pair, pair[::-1])
    >>> found.energies.shape, found.gradient.shape
    ((2,), (2, 3))
    """

    def __init__(self, potential: Potential) -> None:
        self.potential = potential
        self.net = FrozenNet(potential.net)
        self.dtype = self.net.embedding.dtype
        self.scale = potential.scale
        self.shift = np.array(list(potential.shift.values()), self.dtype)
        self._species_of_number = potential.species_of_number.numpy()
        self.reference = np.array(list(potential.reference_energies.values()))

    @staticmethod
    def serves(potential: Potential) -> bool:
        """Whether compiled loops run for this potential, and it predicts nothing that they do not compute."""
        return not potential.config.dipole and not potential.training and uses_numba(potential.net.embedding.weight)

    def __call__(
        self,
        numbers: Int[np.ndarray, "atoms"],
        vectors: Float[np.ndarray, "edges 3"],
        sender: Int[np.ndarray, "edges"],
        receiver: Int[np.ndarray, "edges"],
        members: bool = False,
    ) -> FrozenPrediction:
        """Predict a structure whose edge vectors point from receiver to sender, in Å; with `members` a committee's derivatives too."""
        species = self._species_of_number[np.clip(numbers, 0, len(self._species_of_number) - 1)]
        if (species < 0).any():
            self.potential.species_index(torch.from_numpy(numbers.astype(np.int64)))  # says which
        seen, repulsion, back = self._repulsion(vectors.astype(self.dtype), species, sender, receiver)
        (energy, bonding, *inputs), kept = self.net.value(seen, species, sender, receiver)
        weight, bonded = self.scale * bonding, self.shift[species] + self.scale * energy
        gradient = back(self.net.gradient(kept, weight, bonded), True)
        uncertainty, of_members = None, []
        if (committee := self.potential.committee) is not None:
            directions = committee.directions.numpy()
            features = np.concatenate(inputs, axis=1)
            # their deviations are linear in the features
            deviations = np.einsum("kf,f->k", directions, np.einsum("nf,n->f", features, weight))
            uncertainty = committee.energy_factor * float(np.sqrt(np.square(deviations).sum()))
            bounds = np.cumsum([part.shape[1] for part in inputs])[:-1]
            for direction in directions[: committee.members if members else 0]:
                of_inputs = [np.multiply.outer(weight, part) for part in np.split(direction, bounds)]
                of_bonding = self.scale * np.einsum("nf,f->n", features, direction)
                of_members.append(back(self.net.gradient(kept, None, of_bonding, of_inputs), False))
        energies = (bonding * bonded + repulsion).astype(np.float64) + self.reference[species]
        return FrozenPrediction(energies, gradient, uncertainty, of_members)

    def _repulsion(
        self, vectors: np.ndarray, species: np.ndarray, sender: np.ndarray, receiver: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | float, Callable[[np.ndarray, bool], np.ndarray]]:
        """(vectors that the network sees, repulsion of each atom, the way back from a derivative by the former, with that of the latter)."""
        layer = self.potential.repulsion
        if layer is None or not layer.is_felt(vectors, species[receiver], species[sender]):
            return vectors, 0.0, lambda gradient, _: gradient
        given = torch.from_numpy(vectors).requires_grad_()
        edges = Edges(torch.from_numpy(np.stack([sender, receiver])), len(species))
        with torch.enable_grad():
            seen, repulsion = layer(given, torch.from_numpy(species), edges)
            total = repulsion.sum()

        def back(gradient: np.ndarray, repelled: bool) -> np.ndarray:
            outputs, along = (
                ([seen, total], [torch.from_numpy(gradient), None])
                if repelled
                else ([seen], [torch.from_numpy(gradient)])
            )
            (found,) = torch.autograd.grad(outputs, given, along, retain_graph=True)
            return found.numpy()

        return seen.detach().numpy(), repulsion.detach().numpy(), back
