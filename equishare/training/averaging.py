"""The average of a potential's weights over its last steps: what is validated and kept."""

import copy
from typing import Any

import torch
from torch import Tensor

from equishare.potential import Potential


class AveragedWeights:
    r"""Exponential average of the weights; its memory grows with the steps made, so that it forgets the first weights.

    .. math:: \bar W_n = d_n \bar W_{n-1} + (1 - d_n) W_n, \qquad d_n = \min\Big(d, \frac{1 + n}{10 + n}\Big), \quad d_0 = 0

    Args:
        potential: What is fitted.
        decay: d, the decay a step in the long run.
    """

    def __init__(self, potential: Potential, decay: float) -> None:
        self.potential = copy.deepcopy(potential)
        self.decay = decay
        self.steps = 0
        # to look them up takes longer than to average them
        self._averaged: list[Tensor] = list(self.potential.parameters())
        self._current: list[Tensor] = list(potential.parameters())

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after one more step."""
        n = self.steps
        decay = min(self.decay, (1 + n) / (10 + n)) if n else 0.0
        torch._foreach_lerp_(self._averaged, self._current, 1 - decay)
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"potential": self.potential.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.potential.load_state_dict(state["potential"])
        self.steps = state["steps"]
