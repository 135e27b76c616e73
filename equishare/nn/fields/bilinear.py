"""The bilinear layer between any representations."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.groups.representation import Representation
from equishare.nn.fields.initialisation import product_scale
from equishare.nn.layer import Layer, LayerError
from equishare.sharing.bilinear import bilinear
from equishare.sharing.shared_weights import Call, SharedWeight


class Bilinear(Layer):
    r"""All products of two features that commute with the group, each with a weight: the weighted tensor product.

    .. math:: z_o = \sum_{ij} B_{oij}\, x_i\, y_j, \qquad \rho_{out}(g)\, B(x, y) = B(\rho_{left}(g) x, \rho_{right}(g) y)

    Law: f(rho_left(g) x, rho_right(g) y) = rho_out(g) z, exact, for every group that ``sharing.solve`` knows. For O(3) it is e3nn's
    ``FullyConnectedTensorProduct``, in the same flat layout and with any multiplicities; the cross product, the Minkowski product and
    emlp's bilinear layer are others. Channels are the last dimension.

    Args:
        rep_left: representation of x.
        rep_right: representation of y.
        rep_out: representation of z.
        device: where the weights live.
        dtype: their precision.

    Shapes:
        ``[..., left]`` and ``[..., right]`` -> ``[..., out]``, the sizes of the representations.

    Raises:
        GroupError: the groups of the representations differ.
        LayerError: an input does not fit.

    Finzi, Welling & Wilson 2021, "A practical method for constructing equivariant multilayer perceptrons".

    >>> from equishare import groups
    >>> V = groups.so(3).defining()
    >>> cross = Bilinear(V, V, V)
    >>> cross.weight.shape, cross(torch.randn(5, 3), torch.randn(5, 3)).shape
    (torch.Size([1]), torch.Size([5, 3]))
    """

    def __init__(
        self,
        rep_left: Representation,
        rep_right: Representation,
        rep_out: Representation,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.rep_left, self.rep_right = rep_left, rep_right
        self.rep_in, self.rep_out = (rep_left, rep_right), rep_out
        self.pattern = bilinear(rep_left, rep_right, rep_out)
        self.weight = nn.Parameter(torch.empty(self.pattern.n_free, dtype=dtype))
        self.reset_parameters()
        self.to(torch.get_default_device() if device is None else device)

    def reset_parameters(self) -> None:
        """Draw weights that give outputs of second moment one for inputs of second moment one."""
        nn.init.normal_(self.weight, std=product_scale(self.pattern))

    def forward(
        self, left: Float[Tensor, "*batch left"], right: Float[Tensor, "*batch right"]
    ) -> Float[Tensor, "*batch out"]:
        """The product."""
        _, n_left, n_right = self.pattern.shape
        if left.shape[-1:] != (n_left,) or right.shape[-1:] != (n_right,) or left.shape[:-1] != right.shape[:-1]:
            raise LayerError(
                f"Bilinear: [..., {n_left}] and [..., {n_right}] expected, got {list(left.shape)} and {list(right.shape)}"
            )
        self.require_numbers(left, right)
        pairs = (left.unsqueeze(-1) * right.unsqueeze(-2)).flatten(-2)
        return nn.functional.linear(pairs, self.pattern.expand(self.weight).flatten(1))

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """The pattern of the weight."""
        return {"weight": SharedWeight.of(self.pattern)}

    def extra_repr(self) -> str:
        """The representations."""
        return f"{self.rep_left}, {self.rep_right} -> {self.rep_out}"
