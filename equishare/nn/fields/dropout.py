"""Dropout of whole fields."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from equishare.groups.intertwiners import fields_of
from equishare.groups.representation import Representation
from equishare.nn.layer import EquivarianceError, FieldLayer


class FieldDropout(FieldLayer):
    """In training, drops fields as a whole with probability p, and scales the others by 1 / (1 - p).

    Law: f(rho(g) x) = rho(g) f(x) for the same random draw, exact for every representation, since a field's
    coordinates and positions share their fate.

    Args:
        rep: representation of the channels.
        p: probability of dropping a field.

    Shapes:
        ``[batch, channels, *space]`` -> the same.

    Raises:
        EquivarianceError: p is no probability below one.

    >>> from equishare import groups, nn
    >>> out = nn.FieldDropout(4 * groups.cyclic(4).regular(), p=0.5)(torch.ones(1, 16))
    >>> out.reshape(4, 4).std(dim=1)          # whole fields
    tensor([0., 0., 0., 0.])
    """

    def __init__(self, rep: Representation, p: float = 0.5) -> None:
        super().__init__(rep, rep)
        if not 0 <= p < 1:
            raise EquivarianceError(f"a probability 0 <= p < 1 expected, got {p}")
        self.p = p
        self.fields = [(count, field.size) for count, field in fields_of(rep)]

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *space"]:
        """The features with some fields dropped."""
        self._check_channels(x)
        if not self.training or self.p == 0:
            return x
        total = sum(count for count, _ in self.fields)
        keep = functional.dropout(x.new_ones(x.shape[0], total), self.p)
        parts = zip(keep.split([c for c, _ in self.fields], dim=1), self.fields, strict=True)
        mask = torch.cat([part.repeat_interleave(size, dim=1) for part, (_, size) in parts], dim=1)
        return x * mask.reshape(x.shape[0], -1, *[1] * (x.ndim - 2))

    def to_torch(self) -> nn.Module:
        """Nothing: a frozen model is for inference."""
        return nn.Identity().train(self.training)
