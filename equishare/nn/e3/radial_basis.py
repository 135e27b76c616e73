"""Radial functions of the edge length."""

from jaxtyping import Float
from torch import Tensor

from equishare.errors import LayerError
from equishare.nn.feature_types import Invariants, require_whole
from equishare.nn.layer import Layer
from equishare.ops.edge_functions.torch import Radial, polynomial_cutoff, radial_functions


class RadialBasis(Layer):
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
        LayerError: if cutoff or n_basis is not positive, or the decay length is not.

    From Gasteiger et al., "Directional message passing for molecular graphs" (2020).

    >>> import torch
    >>> RadialBasis(5.0, 8)(torch.tensor([1.0, 5.0])).shape
    torch.Size([2, 8])
    """

    def __init__(self, cutoff: float, n_basis: int, power: int = 6, decay_length: float | None = None) -> None:
        super().__init__()
        require_whole(n_basis=n_basis, power=power)
        if not cutoff > 0 or (decay_length is not None and not decay_length > 0):
            raise LayerError(f"cutoff and decay_length must be positive, got {cutoff} and {decay_length}")
        self.radial = Radial(cutoff, n_basis, power, decay_length)
        self.rep_out = Invariants(n_basis)

    def envelope(self, lengths: Float[Tensor, "edges"]) -> Float[Tensor, "edges"]:
        """Evaluate the cutoff f(r / r_c) alone."""
        return polynomial_cutoff(lengths / self.radial.cutoff, self.radial.power)

    def forward(self, lengths: Float[Tensor, "edges"]) -> Float[Tensor, "edges n_basis"]:
        """Evaluate all functions."""
        if lengths.ndim != 1:
            raise LayerError(f"expected lengths of shape [edges], got {list(lengths.shape)}")
        self.require_numbers(lengths)
        return radial_functions(lengths, self.radial, self.envelope(lengths))

    def extra_repr(self) -> str:
        """Cutoff, number, power and decay."""
        return ", ".join(f"{name}={value}" for name, value in self.radial._asdict().items())
