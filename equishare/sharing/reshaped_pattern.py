"""A pattern in another shape."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from equishare.sharing.pattern import SharingError, SharingPattern


class ReshapedPattern(SharingPattern):
    """The same pattern with the entries of the weight in another shape."""

    def __init__(self, pattern: SharingPattern, shape: tuple[int, ...]) -> None:
        super().__init__(shape, pattern.n_free)
        if self.numel != pattern.numel:
            raise SharingError(f"{pattern.numel} entries cannot take the shape {shape}")
        self.pattern = pattern

    def expand(self, base: Float[Tensor, "*batch n_free"]) -> Float[Tensor, "*batch *shape"]:
        """The expanded weight, reshaped."""
        return self.pattern.expand(base).reshape(*base.shape[:-1], *self.shape)

    def project(self, weight: Float[Tensor, "*batch *shape"]) -> Float[Tensor, "*batch n_free"]:
        """The projection of the weight in the old shape."""
        batch = self._check_weight(weight)
        return self.pattern.project(weight.reshape(*batch, *self.pattern.shape))
