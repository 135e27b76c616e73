"""The same block several times: depth without more weights."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from equishare.nn.feature_types import require_whole
from equishare.nn.layer import Layer


class Iterated(Layer):
    """z_{k+1} = f(z_k, inputs), ``iterations`` times with one set of weights.

    A stack of K layers whose weights are tied over depth: K times fewer parameters at the same time and memory, and the
    gradient is the sum over the K uses. ``Equilibrium`` is its limit. Law: that of the block, as exact as the
    block: f(g z, g x) = g f(z, x) makes the whole equivariant.

    Args:
        block: a module that takes the state, and whatever else ``forward`` is given, and returns the next state.
        iterations: how often it is applied.

    Shapes:
        Those of the block.

    Raises:
        LayerError: ``iterations`` is below one.

    Lan et al. (2020), "ALBERT: a lite BERT"; Dehghani et al. (2019), "Universal transformers".

    >>> import torch
    >>> net = Iterated(nn.Linear(3, 3), 4)
    >>> x = torch.ones(1, 3)
    >>> torch.equal(net(x), net.block(net.block(net.block(net.block(x)))))
    True
    """

    def __init__(self, block: nn.Module, iterations: int) -> None:
        super().__init__()
        if isinstance(block, Layer):
            self.rep_in, self.rep_out = block.rep_in, block.rep_out
        require_whole(iterations=iterations)
        self.block, self.iterations, self.uses = block, iterations, iterations

    def forward(self, start: Float[Tensor, "*state"], *inputs: Any, **options: Any) -> Float[Tensor, "*state"]:
        """The state after the last iteration; inputs and options go to the block each time."""
        state = start
        for _ in range(self.iterations):
            state = self.block(state, *inputs, **options)
        return state

    def extra_repr(self) -> str:
        """The depth."""
        return f"iterations={self.iterations}"
