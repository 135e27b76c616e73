"""How uncertain a prediction is: members that share everything but the last layer."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.errors import EquishareError


class Committee(nn.Module):
    r"""Members drawn from the Gaussian posterior of the readouts' last, linear weights, all on one trunk.

    .. math:: w_k = w + \delta_k, \qquad \sum_k \delta_k \delta_k^T = \Sigma
              = \Big( \sum_n \tfrac{1}{\sigma_n^2} \phi_n \phi_n^T + \lambda \Big)^{-1}

    where the sum runs over the training labels, energies and forces, φ_n is what the label's prediction depends on w by, and
    δ_k are the rows of `directions`, as many as there are features. The potential itself is their mean, so a committee changes no
    prediction. In energy their deviations are one matrix product away, and all of them are used: no noise of sampling. Each deviation
    of the forces costs a backward pass; the first `members` rows, turned at random, stand for all.

    .. math:: \sigma_E = c_E \Big( \sum_{k} (\delta_k \cdot \phi)^2 \Big)^{1/2}, \qquad
              \sigma_{F,i} = c_F \Big( \frac{n}{K} \sum_{k \le K} \frac{1}{3} \Big| \frac{\partial (\delta_k \cdot \phi)}{\partial r_i} \Big|^2 \Big)^{1/2}

    with c_E and c_F such that on the validation frames the mean squares of uncertainty and error are equal. Invariant under O(3) and
    translations: exact.

    Args:
        n_features: n, what the readouts' last maps read of an atom.
        members: K, rows whose forces are computed; more give less noise.
        energy_factor: c_E.
        forces_factor: c_F.

    Raises:
        EquishareError: if there are more members than features, or none.

    Bigi, Chong, Ceriotti and Grasselli, "A prediction rigidity formalism for low-cost uncertainties in trained neural networks"
    (2024); last-layer committees of atoms: Kellner and Ceriotti, "Uncertainty quantification by direct propagation of shallow
    ensembles" (2024).

    >>> Committee(n_features=96, members=8)(torch.randn(5, 96)).shape
    torch.Size([5, 96])
    """

    directions: Tensor

    def __init__(self, n_features: int, members: int, energy_factor: float = 1.0, forces_factor: float = 1.0) -> None:
        super().__init__()
        if not 1 <= members <= n_features:
            raise EquishareError(
                f"expected 1 to {n_features} members, as many as the readouts read features, got {members}; "
                "with all of them the forces' uncertainty has no noise left"
            )
        self.members = members
        self.energy_factor, self.forces_factor = float(energy_factor), float(forces_factor)
        self.register_buffer("directions", torch.zeros(n_features, n_features))

    @torch.no_grad()
    def set_precision(
        self, precision: Float[Tensor, "features features"], generator: torch.Generator, ridge: float = 1e-6
    ) -> None:
        """Draw the members from the posterior with this inverse covariance; λ is `ridge` times its mean diagonal."""
        regular = precision.double() + ridge * precision.diagonal().mean() * torch.eye(len(precision))
        # any rotation of a factor of Σ is one as well; a random one makes the first rows a fair sample
        rotation = torch.linalg.qr(torch.randn(regular.shape, generator=generator, dtype=torch.float64))[0]
        lower = torch.linalg.cholesky(regular)
        factor = torch.linalg.solve_triangular(lower.T, rotation, upper=True)
        self.directions.copy_(factor.T)

    def forces_spread(self, square: Any) -> Any:
        """Uncertainty of the forces, from the sum over the members of the mean square of an atom's components (a tensor or an array)."""
        return self.forces_factor * (square * (len(self.directions) / self.members)) ** 0.5

    def forward(self, features: Float[Tensor, "atoms features"]) -> Float[Tensor, "atoms features"]:
        """Deviation of every member from the mean, of each atom, in the network's unit of energy."""
        return features @ self.directions.T
