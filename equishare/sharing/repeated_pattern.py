"""Independent copies of one pattern."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from equishare.sharing.pattern import SharingPattern


class RepeatedPattern(SharingPattern):
    """``count`` independent copies of a pattern: shape ``(count, *shape)``, base weights copy by copy.

    >>> import torch
    >>> from equishare.sharing import IndexPattern
    >>> RepeatedPattern(IndexPattern(torch.tensor([0, 0])), 2).expand(torch.tensor([1.0, 2.0]))
    tensor([[1., 1.],
            [2., 2.]])
    """

    def __init__(self, pattern: SharingPattern, count: int) -> None:
        super().__init__((count, *pattern.shape), count * pattern.n_free)
        self.pattern, self.count = pattern, count

    def expand(self, base: Float[Tensor, "*batch n_free"]) -> Float[Tensor, "*batch *shape"]:
        """Each copy expanded."""
        self._check_base(base)
        return self.pattern.expand(base.reshape(*base.shape[:-1], self.count, self.pattern.n_free))

    def project(self, weight: Float[Tensor, "*batch *shape"]) -> Float[Tensor, "*batch n_free"]:
        """Each copy projected."""
        self._check_weight(weight)
        return self.pattern.project(weight).flatten(-2)
