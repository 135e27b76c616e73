"""Radial functions of the edge length."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


def polynomial_cutoff(scaled: Float[Tensor, "edges"], power: int = 6) -> Float[Tensor, "edges"]:
    r"""Smooth envelope of :math:`x = r / r_c` that goes from 1 to 0 with two zero derivatives at the cutoff.

    .. math:: f(x) = 1 - \tfrac{(p+1)(p+2)}{2} x^p + p (p+2) x^{p+1} - \tfrac{p (p+1)}{2} x^{p+2}, \quad x < 1

    and zero beyond. From Gasteiger et al., "Directional message passing for molecular graphs" (2020).

    >>> polynomial_cutoff(torch.tensor([0.0, 1.0, 2.0])).tolist()
    [1.0, 0.0, 0.0]
    """
    p = power
    inside = scaled.clamp(max=1.0)
    first = (p + 1) * (p + 2) / 2
    return 1.0 + inside**p * (-first + inside * (p * (p + 2) - inside * (p * (p + 1) / 2)))


class RadialBasis(nn.Module):
    r"""Spherical Bessel functions of order zero under a smooth cutoff.

    .. math:: B_n(r) = \sqrt{\tfrac{8}{r_c}}\, \frac{\sin(n \pi r / r_c)}{n\, r} \, f(r / r_c)\,
              \frac{4}{1 + (r / \lambda)^2}, \quad n = 1..N

    The factor 1/n and the decay beyond λ, which the original does not have, make a sum with weights of equal size smooth, and of
    near neighbours more than of far ones: both fit forces better.
    Invariant under O(3): exact. Zero, with two continuous derivatives, from the cutoff on.

    Args:
        cutoff: Radius r_c in Å.
        n_basis: Number N of functions.
        power: Power p of `polynomial_cutoff`.
        decay_length: λ in Å, best a little more than the distance of nearest neighbours; None for no decay (nor the factor 4).

    Shapes:
        lengths ``[edges]`` in Å -> ``[edges, n_basis]``.

    Raises:
        ValueError: if cutoff or n_basis is not positive, or the decay length is not.

    From Gasteiger et al., "Directional message passing for molecular graphs" (2020).

    >>> RadialBasis(5.0, 8)(torch.tensor([1.0, 5.0])).shape
    torch.Size([2, 8])
    """

    def __init__(self, cutoff: float, n_basis: int, power: int = 6, decay_length: float | None = None) -> None:
        super().__init__()
        if not cutoff > 0 or n_basis < 1 or (decay_length is not None and not decay_length > 0):
            raise ValueError(
                f"cutoff, n_basis and decay_length must be positive, got {cutoff}, {n_basis} and {decay_length}"
            )
        self.cutoff = cutoff
        self.n_basis = n_basis
        self.power = power
        self.decay_length = decay_length

    def envelope(self, lengths: Float[Tensor, "edges"]) -> Float[Tensor, "edges"]:
        """Evaluate the cutoff f(r / r_c) alone."""
        return polynomial_cutoff(lengths / self.cutoff, self.power)

    def forward(
        self, lengths: Float[Tensor, "edges"], envelope: Float[Tensor, "edges"] | None = None
    ) -> Float[Tensor, "edges n_basis"]:
        """Evaluate all functions; `envelope(lengths)` may be given where it is at hand."""
        scaled = lengths / self.cutoff
        order = torch.arange(1, self.n_basis + 1, dtype=lengths.dtype, device=lengths.device)
        # sin(n pi x) / x through sinc stays finite where two atoms coincide
        waves = torch.sinc(scaled.unsqueeze(1) * order) * (math.pi * 8**0.5 * self.cutoff**-1.5)
        factor = self.envelope(lengths) if envelope is None else envelope
        if self.decay_length is not None:
            factor = factor * 4 / (1 + (lengths / self.decay_length).square())
        return waves * factor.unsqueeze(1)
