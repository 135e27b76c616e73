"""How well pixels were grouped into objects, as a metric that adds up batches."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torchmetrics import Metric

from equishare.gallery.rand_index import adjusted_rand_index


class ForegroundARI(Metric):
    """Mean over images of the adjusted Rand index on the pixels of objects, the background (group 0) left out.

    torchmetrics' own adjusted Rand score takes one clustering a call; this one takes a batch of pictures, each with its background.

    >>> metric = ForegroundARI()
    >>> metric.update(torch.tensor([[[0, 0], [1, 1]]]), torch.tensor([[[0, 1], [2, 2]]]))
    >>> metric.compute()
    tensor(1., dtype=torch.float64)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    total: Tensor
    images: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("images", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(
        self, prediction: Int[Tensor, "images height width"], target: Int[Tensor, "images height width"]
    ) -> None:
        """Count some images in: for each pixel the slot that holds it, and the object, 0 for background."""
        self.total += adjusted_rand_index(prediction.flatten(1), target.flatten(1), ignore=0).sum()
        self.images += len(target)

    def compute(self) -> Tensor:
        """Mean over the images so far."""
        return self.total / self.images
