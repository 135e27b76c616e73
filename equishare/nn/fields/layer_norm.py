"""Layer normalisation of any field."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.groups.intertwiners import fields_of
from equishare.groups.representation import Representation
from equishare.nn.layer import FieldLayer, require_orthogonal, wide
from equishare.sharing.pattern import near


class FieldLayerNorm(FieldLayer):
    r"""Normalisation over the channels of a position, one scale a field: of permuted fields about their mean, of others by their length.

    .. math:: y = w_u \frac{x_u - \bar x}{\sqrt{\mathrm{var}\, x + \epsilon}} + b_u \text{ (permuted)}, \qquad
              y = w_u \frac{x_u}{\sqrt{\overline{x^2} + \epsilon}} \text{ (others)}

    where mean and variance are over all permuted fields, invariants among them, and the mean square is over all coordinates of the
    others. For invariants alone it is ``torch.nn.LayerNorm``. Law: f(rho(g) x) = rho(g) f(x), exact for orthogonal representations of any kind.

    Args:
        rep: representation of the channels.
        eps: added to the variance.

    Shapes:
        ``[batch, channels, *space]`` -> the same.

    Raises:
        EquivarianceError: the representation does not keep lengths.

    Ba, Kiros & Hinton 2016, "Layer normalization"; Liao & Smidt 2023, "Equiformer".

    >>> from equishare import groups, nn
    >>> norm = nn.FieldLayerNorm(groups.o3().irreps("4x0e+4x1o"))
    >>> norm.weight.shape, norm.bias.shape, norm(torch.randn(2, 16)).shape
    (torch.Size([8]), torch.Size([4]), torch.Size([2, 16]))
    """

    _field: Tensor
    _permuted: Tensor
    _own_bias: Tensor

    takes_half = True

    def __init__(self, rep: Representation, eps: float = 1e-5) -> None:
        super().__init__(rep, rep)
        require_orthogonal(rep)
        self.eps = eps
        fields = [(field.size, field.kind == "permutation") for count, field in fields_of(rep) for _ in range(count)]
        with torch.device("cpu"):
            sizes = torch.tensor([size for size, _ in fields])
            permuted = torch.tensor([still for _, still in fields])
            self._sizes = (int(sizes[permuted].sum()), int(sizes[~permuted].sum()))
            self.register_buffer("_field", torch.arange(len(fields)).repeat_interleave(sizes), False)
            self.register_buffer("_permuted", permuted.repeat_interleave(sizes), False)
            # where a field has a bias, its number; elsewhere a zero that stands behind all of them
            number = torch.where(permuted, permuted.cumsum(0) - 1, int(permuted.sum()))
            self.register_buffer("_own_bias", number.repeat_interleave(sizes), False)
        self.weight = nn.Parameter(torch.empty(len(fields)))
        self.bias = nn.Parameter(torch.empty(int(permuted.sum())))
        self.reset_parameters()
        self.to(torch.get_default_device())

    def reset_parameters(self) -> None:
        """Scales one, shifts zero."""
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *space"]:
        """The normalised features."""
        self._check_channels(x)
        along = (-1, *[1] * (x.ndim - 2))
        values = wide(x)
        there = near(self._permuted, x).to(values.dtype).reshape(along)
        permuted, others = self._sizes
        mean = (values * there).sum(1, keepdim=True) / max(1, permuted)
        centred = values - mean * there
        square = centred.square()
        variance = (square * there).sum(1, keepdim=True) / max(1, permuted)
        length = (square * (1 - there)).sum(1, keepdim=True) / max(1, others)
        scale = torch.rsqrt(variance * there + length * (1 - there) + self.eps)
        shift = torch.nn.functional.pad(self.bias, (0, 1))[near(self._own_bias, x)].reshape(along)
        return (centred * scale * self.weight[near(self._field, x)].reshape(along) + shift).to(x.dtype)
