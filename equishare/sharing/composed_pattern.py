"""One pattern after the other."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.pattern import SharingError, SharingPattern


class ComposedPattern(SharingPattern):
    """The outer pattern's base weights are the inner pattern's full weight."""

    def __init__(self, outer: SharingPattern, inner: SharingPattern) -> None:
        super().__init__(outer.shape, inner.n_free)
        self.outer, self.inner = outer, inner

    def expand(self, base: Float[Tensor, "*batch n_free"]) -> Float[Tensor, "*batch *shape"]:
        """The inner weight expanded by the outer pattern."""
        inner = self.inner.expand(base)
        return self.outer.expand(inner.reshape(*base.shape[:-1], self.outer.n_free))

    def project(self, weight: Float[Tensor, "*batch *shape"]) -> Float[Tensor, "*batch n_free"]:
        """The least-squares solution over the dense matrix of the whole."""
        batch = self._check_weight(weight)
        matrix = self.as_matrix().to(weight.device)
        rows = weight.reshape(-1, self.numel).double()
        return torch.linalg.lstsq(matrix, rows.mT).solution.mT.reshape(*batch, self.n_free).to(weight.dtype)


def compose(outer: SharingPattern, inner: SharingPattern) -> SharingPattern:
    """The pattern base -> outer.expand(inner.expand(base)); one gather where both are in index form.

    Raises:
        SharingError: the inner weight has not as many entries as the outer pattern has base weights.

    >>> outer, inner = IndexPattern(torch.tensor([2, 1, 0])), IndexPattern(torch.tensor([0, 0, 1]))
    >>> compose(outer, inner).expand(torch.tensor([5.0, 7.0]))
    tensor([7., 5., 5.])
    """
    if inner.numel != outer.n_free:
        raise SharingError(f"an inner weight of {outer.n_free} entries expected, got {inner.numel}")
    if not (isinstance(outer, IndexPattern) and isinstance(inner, IndexPattern)) or outer.n_free == 0:
        return ComposedPattern(outer, inner)
    first, sign = inner.index.reshape(-1), inner.sign.reshape(-1)
    index = torch.where(outer.sign.reshape(-1) == 0, -1, first[outer.gather])
    signs = outer.sign.reshape(-1) * sign[outer.gather]
    return IndexPattern(index.reshape(outer.shape), signs.reshape(outer.shape), inner.n_free)
