"""A potential on arrays: the same network, heads and energy as on tensors, at a fraction of their overhead."""

import copy
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int

from equishare.ops.backend import uses_numba
from equishare.potential.arrays.operations import ArrayOperations, Exchange
from equishare.potential.arrays.weights import Weights
from equishare.potential.given import Given
from equishare.potential.potential import Potential
from equishare.potential.prediction import Prediction


@dataclass(frozen=True)
class Structure:
    """One structure as arrays.

    Attributes:
        numbers: Atomic numbers, own atoms first, then ghosts: atoms of other processes that own atoms see.
        vectors: Of the edges in Å, from receiver to sender.
        sender: Atom at the head of each vector, a ghost maybe.
        receiver: Atom at its foot, never a ghost.
        positions: ``[atoms, 3]`` in Å; None where no head reads them.
        cell: Rows are cell vectors in Å; None without one.
        n_atoms: Number of own atoms; None: all.
        conditions: Integers that go into the network, by name.
    """

    numbers: Int[np.ndarray, "atoms"]
    vectors: Float[np.ndarray, "edges 3"]
    sender: Int[np.ndarray, "edges"]
    receiver: Int[np.ndarray, "edges"]
    positions: Float[np.ndarray, "atoms 3"] | None = None
    cell: Float[np.ndarray, "3 3"] | None = None
    n_atoms: int | None = None
    conditions: dict[str, int] = field(default_factory=dict)


class ArrayPotential:
    """A `Potential` evaluated on plain arrays, for dynamics: every output to rounding, without tensors and autograd's tape.

    On a small molecule those cost more than what they compute. A layer runs through all of its loops for one block of atoms
    after the other: what lies between them stays in the cache. Invariant and equivariant as the potential is: exact.

    Where atoms are shared among processes, `exchange` brings the features of ghosts between the layers and takes their gradients
    back: an ``ops.tape`` of every process runs the same steps in the same order. Forces then include those on ghosts.

    Args:
        potential: On the CPU, in evaluation mode, see `serves`; copies its weights as they are now.
        exchange: Between layers; None: there are no ghosts.

    Raises:
        UnknownSpeciesError: when called, for an element that the potential does not know.

    >>> from equishare.potential import ModelConfig
    >>> arrays = ArrayPotential(Potential(ModelConfig.preset("small"), {"H": -13.6}).eval())
    >>> pair = np.array([0, 1])
    >>> found = arrays(Structure(np.array([1, 1]), np.array([[0.0, 0.0, 0.9], [0.0, 0.0, -0.9]]), pair[::-1], pair))
    >>> found.node_energy.shape, found.forces.shape
    ((2,), (2, 3))
    """

    def __init__(self, potential: Potential, exchange: Exchange | None = None) -> None:
        self.potential, self.exchange = copy.deepcopy(potential), exchange
        self.weights = Weights()
        self.dtype = np.dtype(str(potential.dtype).removeprefix("torch."))
        self._species_of_number = potential.species_of_number.numpy()
        self._last_species: tuple[np.ndarray, np.ndarray] | None = None

    @staticmethod
    def serves(potential: Potential) -> bool:
        """Whether compiled loops run for this potential; they see nothing beyond the cutoff."""
        return not potential.training and potential.long_range is None and uses_numba(potential.net.embedding.weight)

    def __call__(
        self, structure: Structure, forces: bool = True, stress: bool = False, forces_uncertainty: bool = False
    ) -> Prediction:
        """Predict one structure: a `Prediction` of arrays, as of a batch of one."""
        species = self.species_index(structure.numbers)
        n_atoms = len(species) if structure.n_atoms is None else structure.n_atoms
        vectors, sender, receiver = structure.vectors, structure.sender, structure.receiver
        if (receiver[1:] < receiver[:-1]).any():
            order = np.argsort(receiver, kind="stable")
            vectors, sender, receiver = vectors[order], sender[order], receiver[order]
        ops = ArrayOperations(
            self.weights,
            vectors=np.ascontiguousarray(vectors, dtype=self.dtype),
            species=species,
            ends=(sender, receiver),
            n_atoms=n_atoms,
            exchange=self.exchange,
            derives=(forces or stress) and not (forces_uncertainty and self.potential.committee is not None),
        )
        try:
            return self.potential.evaluate(ops, self._given(structure, n_atoms), forces, stress, forces_uncertainty)
        finally:
            ops.tape.steps.clear()  # a circle of references: the arrays would stay until the garbage is collected

    def species_index(self, numbers: Int[np.ndarray, "atoms"]) -> Int[np.ndarray, "atoms"]:
        """As `Potential.species_index`; looked up once for the same numbers in a row."""
        if self._last_species is not None and np.array_equal(self._last_species[0], numbers):
            return self._last_species[1]
        species = self._species_of_number[np.clip(numbers, 0, len(self._species_of_number) - 1)]
        if (species < 0).any():
            self.potential.species_index(torch.from_numpy(numbers.astype(np.int64)))  # says which
        self._last_species = numbers.copy(), species
        return species

    def _given(self, structure: Structure, n_atoms: int) -> Given:
        positions = origin = None
        if structure.positions is not None:
            own = structure.positions[:n_atoms]
            middle = own.mean(axis=0, keepdims=True)
            positions, origin = (own - middle).astype(self.dtype), middle.astype(self.dtype)
        volume = 0.0 if structure.cell is None else abs(float(np.linalg.det(structure.cell)))
        conditions = {name: np.array([value]) for name, value in structure.conditions.items()}
        return Given(positions, origin, np.full((1, 1, 1), 1 / volume if volume > 0 else 0.0), conditions)
