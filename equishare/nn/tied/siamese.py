"""Twins: one encoder measures both."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.nn.layer import Layer, LayerError


class Siamese(Layer):
    """The distance ``d(a, b) = |E(a) - E(b)|`` of two inputs as one encoder E sees them.

    Law: d(a, b) = d(b, a), d(a, a) = 0 and the triangle inequality, exact whatever E is, since both are read with the same
    weights; two encoders of their own keep none of them. Both go through E as one batch.

    Args:
        encoder: a module from [batch, ...] to [batch, ...]; all that it returns for a sample is its place.

    Raises:
        LayerError: the two inputs differ in shape.

    Bromley et al. (1993), "Signature verification using a Siamese time delay neural network"; Hadsell, Chopra & LeCun
    (2006) give the contrastive loss.

    >>> twins = Siamese(nn.Linear(4, 2))
    >>> a, b = torch.randn(3, 4), torch.randn(3, 4)
    >>> torch.allclose(twins(a, b), twins(b, a)), bool((twins(a, a) == 0).all())
    (True, True)
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.uses = 2
        self.encoder = encoder

    def forward(
        self, first: Float[Tensor, " batch *shape"], second: Float[Tensor, " batch *shape"]
    ) -> Float[Tensor, " batch"]:
        """The distance of each pair."""
        if first.shape != second.shape:
            raise LayerError(
                f"Siamese: two inputs of one shape expected, got {list(first.shape)} and {list(second.shape)}"
            )
        places, n = self.encoder(torch.cat([first, second])).flatten(1), first.shape[0]
        return torch.linalg.vector_norm(places[:n] - places[n:], dim=1)
