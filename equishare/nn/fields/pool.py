"""Pooling over the group: from fields to invariants."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.groups.intertwiners import fields_of
from equishare.groups.representation import Representation
from equishare.nn.feature_types import require_whole
from equishare.nn.layer import EquivarianceError, FieldLayer, require_orthogonal


class GroupPool(FieldLayer):
    """The maximum, mean or norm over each field's coordinates, one invariant a field.

    Law: f(rho(g) x) = f(x) at each position, exact. Maximum and mean need permuted fields; the norm, sqrt(sum of
    squares), orthogonal ones of any kind.

    Args:
        rep: representation of the channels.
        reduce: what to take.
        dimension: axes of space, 0 to 3.

    Shapes:
        ``[batch, channels, *space]`` -> ``[batch, fields, *space]``, a number for each field.

    Raises:
        EquivarianceError: the fields are not permuted and ``reduce`` needs that.

    >>> from equishare import groups, nn
    >>> nn.GroupPool(16 * groups.cyclic(4).regular())(torch.randn(2, 64, 5, 5)).shape
    torch.Size([2, 16, 5, 5])
    """

    def __init__(self, rep: Representation, reduce: Literal["max", "mean", "norm"] = "max", dimension: int = 2) -> None:
        if reduce not in ("max", "mean", "norm"):
            raise EquivarianceError(f"reduce: max, mean or norm expected, got {reduce!r}")
        require_whole(0, dimension=dimension)
        fields = [(count, field.size) for count, field in fields_of(rep)]
        if reduce != "norm" and rep.kind != "permutation":
            raise EquivarianceError(
                f"the {reduce} over a field needs permuted coordinates, {rep} acts otherwise: use norm"
            )
        if reduce == "norm":
            require_orthogonal(rep)
        super().__init__(rep, sum(count for count, _ in fields) * rep.group.trivial())
        self.fields, self.reduce, self.dimension = fields, reduce, dimension

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch fields *space"]:
        """One number a field."""
        self._check_channels(x, self.dimension)
        out = []
        for part, (count, size) in zip(x.split([c * s for c, s in self.fields], dim=1), self.fields, strict=True):
            fields = part.reshape(part.shape[0], count, size, *part.shape[2:])
            if self.reduce == "max":
                out.append(fields.amax(2))
            elif self.reduce == "mean":
                out.append(fields.mean(2))
            else:
                out.append(torch.linalg.vector_norm(fields, dim=2))
        return torch.cat(out, dim=1) if len(out) > 1 else out[0]

    def to_torch(self) -> nn.Module:
        """Plain pooling over an unfolded channel axis, for max and mean of equal fields up to 2-D."""
        if len(self.fields) > 1 or self.reduce == "norm" or self.dimension == 3:
            return super().to_torch()
        (count, size), *_ = self.fields
        pools: dict[str, list[type[nn.Module]]] = {
            "max": [nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d],
            "mean": [nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d],
        }
        window = (size, *[1] * self.dimension)
        pool = pools[self.reduce][self.dimension](window)
        return nn.Sequential(nn.Unflatten(1, (count, size)), pool, nn.Flatten(1, 2)).train(self.training)

    def extra_repr(self) -> str:
        """Fields and reduction."""
        return f"{self.rep_in}, {self.reduce}"
