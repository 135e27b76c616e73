"""A nonlinearity by products: each field times itself."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.groups.on_cpu import on_cpu
from equishare.groups.representation import Representation
from equishare.nn.layer import EquivarianceError, FieldLayer
from equishare.sharing.basis_pattern import BasisPattern
from equishare.sharing.bilinear import bilinear
from equishare.sharing.shared_weights import Call, SharedWeight


class TensorProductActivation(FieldLayer):
    r"""Every field plus all its products with itself, each with a weight: a nonlinearity that makes lengths and angles.

    .. math:: y_u = x_u + \sum_p w_{up}\, B_p(x_u, x_u), \qquad \rho(g)\, B_p(x, x) = B_p(\rho(g) x, \rho(g) x)

    Law: f(rho(g) x) = rho(g) f(x), exact for every representation of every group. The products are the symmetric ones of
    ``sharing.bilinear``: they are all there are.

    Args:
        fields: number of fields.
        field: representation of one field, mostly a sum, so that its parts meet.

    Shapes:
        ``[batch, channels, *space]`` -> the same.

    Raises:
        EquivarianceError: no product of the field with itself is such a field, as for vectors alone.

    Kondor, Lin & Trivedi 2018, "Clebsch-Gordan nets"; Weiler & Cesa 2019.

    >>> from equishare import groups, nn
    >>> layer = nn.TensorProductActivation(8, groups.o3().irreps("0e+1o+2e"))
    >>> layer.weight.shape, layer(torch.randn(5, 72)).shape
    (torch.Size([8, 8]), torch.Size([5, 72]))
    """

    def __init__(self, fields: int, field: Representation) -> None:
        super().__init__(fields * field, fields * field)
        self.field, self.pattern = field, symmetric_products(field)
        if self.pattern.n_free == 0:
            raise EquivarianceError(f"no product of {field} with itself is such a field: add invariants to the field")
        self.weight = nn.Parameter(torch.empty(fields, self.pattern.n_free))
        self.reset_parameters()
        self.to(torch.get_default_device())

    def reset_parameters(self) -> None:
        """Draw weights of products of half the second moment of the fields."""
        nn.init.normal_(self.weight, std=0.5 * (self.field.size / (2 * self.pattern.n_free)) ** 0.5)

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *space"]:
        """The fields and their products."""
        self._check_channels(x)
        n = self.field.size
        fields = x.unsqueeze(-1).flatten(2).unflatten(1, (-1, n))  # [batch, fields, n, positions]
        pairs = (fields.unsqueeze(3) * fields.unsqueeze(2)).flatten(2, 3)
        products = self.pattern.expand(self.weight).flatten(2) @ pairs
        return x + products.reshape(x.shape)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """The pattern of the products, one set of weights a field."""
        return {"weight": SharedWeight.of(self.pattern, len(self.weight))}


@on_cpu
def symmetric_products(field: Representation) -> BasisPattern:
    """All B with B(x, y) = B(y, x) among the bilinear maps of a field to itself: an orthonormal basis."""
    n = field.size
    maps = bilinear(field, field, field).as_matrix().reshape(n, n, n, -1)
    symmetric = (maps + maps.transpose(1, 2)).reshape(n**3, -1) / 2
    basis, values, _ = torch.linalg.svd(symmetric, full_matrices=False)
    return BasisPattern(basis[:, values > 1e-9], (n, n, n))
