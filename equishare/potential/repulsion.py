"""Ziegler, Biersack and Littmark's repulsion of nuclei, where there are no data."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from ase.data import atomic_numbers, covalent_radii
from ase.units import Bohr, Hartree
from jaxtyping import Float, Int
from torch import Tensor, nn

from equishare.errors import EquishareError
from equishare.nn import Edges
from equishare.potential.domain import COVALENT_FACTOR, DISTANCE_FACTOR, pair_name

# Screening function: sum of c exp(-d x)
_COEFFICIENTS = (0.18175, 0.50986, 0.28022, 0.02817)
_DECAYS = (3.19980, 0.94229, 0.40290, 0.20162)
# Below this part of the distance where the repulsion begins it is whole
INNER = 2 / 3


class ZBL(nn.Module):
    r"""Screened Coulomb repulsion of two nuclei, switched on below the distances of the training data.

    .. math:: V(r) = \big(1 - s(t)\big)\, \frac{Z_1 Z_2 e^2}{4 \pi \epsilon_0 r}\, \phi\Big(\frac{r}{a}\Big), \qquad
              a = \frac{0.8854\, a_0}{Z_1^{0.23} + Z_2^{0.23}}, \qquad t = \frac{r - r_1}{r_2 - r_1} \in [0, 1]

    with the universal screening function φ(x) = 0.18175 exp(-3.1998 x) + 0.50986 exp(-0.94229 x) + 0.28022 exp(-0.4029 x) +
    0.02817 exp(-0.20162 x) and s(t) = 6 t⁵ - 15 t⁴ + 10 t³. It begins at r₂ = 0.85 times the shortest distance of the pair of elements
    in the training data, is whole below r₁ = 2/3 r₂, and is exactly zero on every training frame: fitted distances are not
    disturbed.

    A network knows nothing of distances that it has not seen, so repulsion alone could not outweigh whatever it says there:
    it sees r̃(r) instead, which is r above r₂, and below it runs into the constant (r₁ + r₂) / 2 with dr̃/dr = s(t). Two atoms that are
    closer than r₁ feel V and nothing else along the line that joins them: there is no hole. Energies are invariant under O(3),
    translations and permutations: exact. Twice continuously differentiable.

    Args:
        species: Elements, such as ``("H", "O")``.
        min_distance: Shortest distance in Å of pairs of elements in the data, such as ``{"H-O": 0.93}``; for a pair that is
            absent, r₂ is 0.7 times the sum of the covalent radii, below every bond.

    Raises:
        EquishareError: for a distance that is not positive.

    Ziegler, Biersack, Littmark, "The Stopping and Range of Ions in Matter" (1985).

    >>> zbl = ZBL(("H", "O"), {"H-O": 0.93})
    >>> bond, pressed = torch.tensor([[0.96, 0.0, 0.0]]), torch.tensor([[0.3, 0.0, 0.0]])
    >>> species, edges = torch.tensor([0, 1]), Edges(torch.tensor([[0], [1]]), 2)
    >>> for vectors in (bond, pressed):
    ...     seen, energy = zbl(vectors, species, edges)
    ...     print(round(float(seen.norm()), 3), [round(e, 2) for e in energy.tolist()])
    0.96 [0.0, 0.0]
    0.659 [0.0, 51.67]
    """

    _outer: Tensor
    _charges: Tensor
    _length: Tensor

    def __init__(self, species: Sequence[str], min_distance: Mapping[str, float] | None = None) -> None:
        super().__init__()
        closest = dict(min_distance or {})
        wrong = {name: distance for name, distance in closest.items() if not distance > 0}
        if wrong:
            raise EquishareError(f"expected shortest distances in Å above zero, got {wrong}")
        numbers = [atomic_numbers[symbol] for symbol in species]
        radii = covalent_radii[numbers]
        outer = torch.tensor(
            [
                [
                    DISTANCE_FACTOR * closest[name]
                    if (name := pair_name(a, b)) in closest
                    else COVALENT_FACTOR * (p + q)
                    for b, q in zip(numbers, radii, strict=True)
                ]
                for a, p in zip(numbers, radii, strict=True)
            ],
            dtype=torch.float64,
        )
        z = torch.tensor(numbers, dtype=torch.float64)
        powers = z**0.23
        self.register_buffer("_outer", outer, persistent=False)
        self.register_buffer("_charges", Hartree * Bohr * z[:, None] * z, persistent=False)
        self.register_buffer("_length", 0.8854 * Bohr / (powers[:, None] + powers), persistent=False)

    def forward(
        self, vectors: Float[Tensor, "edges 3"], species: Int[Tensor, "atoms"], edges: Edges
    ) -> tuple[Float[Tensor, "edges 3"], Float[Tensor, "atoms"]]:
        """Return the vectors that the network sees, and the repulsion in eV of each atom: half of V for each edge."""
        pair = species[edges.receiver], species[edges.sender]
        length = torch.linalg.vector_norm(vectors, dim=1)
        outer = self._outer[pair]
        width = (1 - INNER) * outer
        t = ((length - outer) / width + 1).clamp(0, 1)
        whole = 1 - t**3 * (10 - 15 * t + 6 * t * t)
        x = length / self._length[pair]
        screening = sum(c * torch.exp(-d * x) for c, d in zip(_COEFFICIENTS, _DECAYS, strict=True))
        energy = 0.5 * whole * self._charges[pair] / length * screening
        # the integral of s(t): its slope runs from 0 to 1, where r itself goes on
        seen = outer + width * (t**4 * (2.5 - 3 * t + t * t) - 0.5) + (length - outer).relu()
        zero = energy.new_zeros(species.shape[0])
        return vectors * (seen / length).unsqueeze(1), zero.index_add(0, edges.receiver, energy)

    def is_felt(self, vectors: np.ndarray, receiver: np.ndarray, sender: np.ndarray) -> bool:
        """Whether a pair is closer than its r₂, from the vectors and the species at either end; if none is, nothing changes by `forward`."""
        outer = np.square(self._outer.numpy())[receiver, sender]
        return bool((np.einsum("ei,ei->e", vectors, vectors) < outer).any())
