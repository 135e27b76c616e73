"""The atoms of one process."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Domain:
    """Atoms and pairs of one process, and where the results go; own atoms come first, then ghosts: atoms that other processes own.

    Attributes:
        n_own: Number of own atoms.
        species: Element of each atom, as an index into those that the input names; -1: the potential leaves it out.
        positions: In Å.
        sender: Atoms at the heads of the vectors, ghosts maybe.
        receiver: Own atoms at their feet.
        vectors: Of all pairs within the cutoff, from receiver to sender, in Å.
        energies: To be filled: eV.
        gradient: To be filled: derivative of the energy by the vectors in eV/Å.
        moments: To be filled, if it is there: derivatives of sum_j r_j E_j by the vectors in eV.
        energy_uncertainty: To be filled, if it is there: that of all processes' atoms in eV.
        forces_uncertainty: To be filled, if it is there: eV/Å.
        forward: Copies the owners' rows of an array ``[components, atoms, width]`` to the ghosts.
        reverse: Adds the ghosts' rows to those of their owners.
        total: Sum of numbers over the processes.
    """

    n_own: int
    species: Int[np.ndarray, "atoms"]
    positions: Float[np.ndarray, "atoms 3"]
    sender: Int[np.ndarray, "edges"]
    receiver: Int[np.ndarray, "edges"]
    vectors: Float[np.ndarray, "edges 3"]
    energies: Float[np.ndarray, "n_own"]
    gradient: Float[np.ndarray, "edges 3"]
    moments: Float[np.ndarray, "3 edges 3"] | None
    energy_uncertainty: Float[np.ndarray, "1"] | None
    forces_uncertainty: Float[np.ndarray, "n_own"] | None
    forward: Callable[[np.ndarray], None]
    reverse: Callable[[np.ndarray], None]
    total: Callable[[np.ndarray], np.ndarray]
