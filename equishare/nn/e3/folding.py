"""What frozen weights give every time, computed once."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Foldable(nn.Module):
    """A layer that makes tensors of its weights alone, and can keep them."""

    _kept: dict[str, Any] | None = None

    def _of_weights(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        """The tensor of this name, made at each call; after `fold` at the first one only."""
        if self._kept is None:
            return compute()
        if name not in self._kept:
            with torch.inference_mode(False):  # derivatives by other things go through it later
                self._kept[name] = compute().detach()
        return self._kept[name]

    def train(self, mode: bool = True) -> "Foldable":
        """As usual; training ends the folding."""
        if mode:
            self._kept = None
        return super().train(mode)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        if self._kept is not None:
            self._kept = {}  # another device or precision
        return super()._apply(fn, recurse)


def fold(module: nn.Module) -> None:
    """Let every layer within keep what it makes of its weights, which must not change or want gradients from then on.

    For evaluation over and over, as in dynamics; ``module.train()`` undoes it. Numbers of a layer stay the same to the bit.

    >>> import torch
    >>> from equishare.nn import IrrepsLinear
    >>> layer, x = IrrepsLinear("8x0e + 8x1o", "4x1o").eval(), torch.randn(5, 4, 8)
    >>> before = layer(x)
    >>> fold(layer)
    >>> torch.equal(layer(x), before)
    True
    """
    for layer in module.modules():
        if isinstance(layer, Foldable):
            layer._kept = {}
