"""A potential whose weights do not change, for evaluation over and over as in dynamics."""

import numpy as np
import torch
from jaxtyping import Float, Int

from equishare.nn.e3.kernels.backend import uses_numba
from equishare.potential.frozen_net import FrozenNet
from equishare.potential.potential import Potential


class FrozenPotential:
    r"""Energies of atoms as `Potential` gives them, and their derivative by the edge vectors, of arrays and without tensors.

    .. math:: E_i = E^0_{z_i} + \gamma_i \,(\mu_{z_i} + \sigma\, e_i), \qquad \frac{\partial}{\partial r_e} \sum_i E_i

    Invariant and equivariant under O(3): exact.

    Args:
        potential: On the CPU, without dipole, committee and repulsion, see `serves`; it takes the weights as they are now.

    Raises:
        UnknownSpeciesError: when called, for an element that the potential does not know.

    >>> from equishare.potential import ModelConfig
    >>> frozen = FrozenPotential(Potential(ModelConfig.preset("small"), {"H": -13.6}))
    >>> pair = np.array([0, 1])
    >>> energy, gradient = frozen(np.array([1, 1]), np.array([[0.0, 0.0, 0.9], [0.0, 0.0, -0.9]]), pair, pair[::-1])
    >>> energy.shape, gradient.shape
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
        """Whether compiled loops run for this potential, and its energy is all that there is of it."""
        plain = not potential.config.dipole and potential.committee is None and potential.repulsion is None
        return plain and not potential.training and uses_numba(potential.net.embedding.weight)

    def __call__(
        self,
        numbers: Int[np.ndarray, "atoms"],
        vectors: Float[np.ndarray, "edges 3"],
        sender: Int[np.ndarray, "edges"],
        receiver: Int[np.ndarray, "edges"],
    ) -> tuple[Float[np.ndarray, "atoms"], Float[np.ndarray, "edges 3"]]:
        """(energy of each atom in eV, float64; derivative of their sum by the vectors from receiver to sender in eV/Å)."""
        species = self._species_of_number[np.clip(numbers, 0, len(self._species_of_number) - 1)]
        if (species < 0).any():
            self.potential.species_index(torch.from_numpy(numbers.astype(np.int64)))  # says which
        (energy, bonding, *_), kept = self.net.value(vectors.astype(self.dtype), species, sender, receiver)
        bonded = self.shift[species] + self.scale * energy
        gradient = self.net.gradient(kept, self.scale * bonding, bonded)
        return (bonding * bonded).astype(np.float64) + self.reference[species], gradient
