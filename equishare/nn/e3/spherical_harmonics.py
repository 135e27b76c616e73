"""Real spherical harmonics of edge vectors."""

from jaxtyping import Float
from torch import Tensor

from equishare.errors import LayerError
from equishare.nn.e3.density_conv import natural_irreps
from equishare.nn.feature_types import require_whole
from equishare.nn.layer import Layer
from equishare.ops.edge_functions.torch import harmonics_coupling, spherical_harmonics
from equishare.ops.layout import Layout


class SphericalHarmonics(Layer):
    r"""Real spherical harmonics :math:`Y_{lm}(\hat r)` for l = 0..l_max, built degree by degree.

    .. math:: Y_l = a_l \, \mathrm{CG}(Y_{l-1}, Y_1), \qquad \sum_m Y_{lm}^2 = 2l + 1

    In e3nn's order and sign ("component" normalisation); a vector of length zero has Y_0 = 1 and the rest 0.
    Equivariance: :math:`Y_l(R \hat r) = D^l(R) Y_l(\hat r)` for every R in O(3), with natural parity (-1)^l: exact.

    Args:
        l_max: Highest degree.

    Shapes:
        directions ``[edges, 3]``, unit vectors (no unit) -> ``[edges, (l_max + 1)^2]``.

    Raises:
        LayerError: if l_max is negative.

    >>> import torch
    >>> y = SphericalHarmonics(2)(torch.tensor([[0.0, 1.0, 0.0]]))
    >>> [round(v, 3) for v in y[0].tolist()]
    [1.0, 0.0, 1.732, 0.0, 0.0, 0.0, 2.236, 0.0, 0.0]
    """

    def __init__(self, l_max: int) -> None:
        super().__init__()
        require_whole(0, l_max=l_max)
        self.l_max = l_max
        self.rep_in, self.rep_out = Layout.of("1o"), Layout.of(natural_irreps(1, l_max))
        for degree in range(2, l_max + 1):
            harmonics_coupling(degree)  # found here: what a compiler traces is not a number to keep

    def forward(self, directions: Float[Tensor, "edges 3"]) -> Float[Tensor, "edges components"]:
        """Evaluate all degrees."""
        if directions.ndim != 2 or directions.shape[1] != 3:
            raise LayerError(f"expected directions of shape [edges, 3], got {list(directions.shape)}")
        self.require_numbers(directions)
        return spherical_harmonics(directions, self.l_max)
