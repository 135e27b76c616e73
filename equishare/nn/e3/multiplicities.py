"""Weights for irreps of unequal multiplicities: those of equal ones, without the ones that would meet a copy that is not there."""

import torch
from torch import Tensor

from equishare.nn.layer import Layer
from equishare.sharing.index_pattern import IndexPattern


class ChannelLayer(Layer):
    """A layer with one weight for each entry of a table that is there; it computes with the whole table, zero elsewhere."""

    channel_pattern: IndexPattern | None

    def __init__(self) -> None:
        super().__init__()
        self.channel_pattern = None

    def _shape_of_weights(self, present: Tensor) -> tuple[int, ...]:
        """The shape of a set of weights: the table's, or if entries are missing, [as many as are there]; they are remembered."""
        if bool(present.all()):
            return tuple(present.shape)
        with torch.device("cpu"):  # tables have numbers, whatever the default device is
            index = present.flatten().cumsum(0).view(present.shape) - 1
            self.channel_pattern = IndexPattern(index.where(present, -1))
        return (self.channel_pattern.n_free,)

    def _table(self, weights: Tensor) -> Tensor:
        """The table of some sets of weights."""
        return weights if self.channel_pattern is None else self.channel_pattern.expand(weights)

    @torch.no_grad()
    def _draw(self, weights: Tensor, deviations: Tensor) -> None:
        """Draw sets of weights, normally distributed; the table of deviations is on the CPU."""
        pattern = self.channel_pattern
        if pattern is not None:
            deviations = pattern.project(deviations.to(pattern.gather.device).expand(pattern.shape))
        weights.normal_().mul_(deviations.to(weights.device))
