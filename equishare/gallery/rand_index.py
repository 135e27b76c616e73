"""How well points were grouped, whatever the groups are called."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from equishare.errors import EquishareError


def adjusted_rand_index(
    prediction: Int[Tensor, "images pixels"], target: Int[Tensor, "images pixels"], ignore: int | None = None
) -> Float[Tensor, " images"]:
    r"""Adjusted Rand index of each image: agreement on pairs of pixels, 1 for the same grouping, 0 on average for a random one.

    .. math:: \mathrm{ARI} = \frac{\sum_{pt} \binom{n_{pt}}{2} - e}{\tfrac12 (\sum_p \binom{n_p}{2} + \sum_t \binom{n_t}{2}) - e},
              \quad e = \sum_p \binom{n_p}{2} \sum_t \binom{n_t}{2} \Big/ \binom{n}{2}

    n_pt counts the pixels in predicted group p and true group t. Law: unchanged by renaming the groups, and by permuting the pixels,
    exactly. Two groupings that are both trivial in the same way agree: 1.

    Args:
        prediction: group of each pixel, from 0 on.
        target: true group of each pixel, from 0 on.
        ignore: true group whose pixels do not count, as the background's.

    Raises:
        EquishareError: the shapes differ, or a group is negative.

    Hubert and Arabie, "Comparing partitions" (1985).

    >>> adjusted_rand_index(torch.tensor([[1, 1, 0, 0]]), torch.tensor([[0, 0, 1, 1]]))
    tensor([1.], dtype=torch.float64)
    """
    if prediction.shape != target.shape or prediction.ndim != 2:
        raise EquishareError(
            f"prediction and target [images, pixels] expected, got {list(prediction.shape)} and {list(target.shape)}"
        )
    if prediction.numel() == 0:
        return torch.ones(len(prediction), dtype=torch.float64, device=prediction.device)
    if min(int(prediction.min()), int(target.min())) < 0:
        raise EquishareError("groups numbered from 0 on expected, got a negative one")
    truth = functional.one_hot(target.long()).double()
    if ignore is not None:
        truth = truth * (target != ignore).unsqueeze(2)
    together = functional.one_hot(prediction.long()).double().mT @ truth
    pairs = _pairs(together).sum((1, 2))
    predicted, true = _pairs(together.sum(2)).sum(1), _pairs(together.sum(1)).sum(1)
    expected = predicted * true / _pairs(together.sum((1, 2))).clamp_min(1)
    most = (predicted + true) / 2
    trivial = most == expected
    return torch.where(trivial, 1.0, (pairs - expected) / torch.where(trivial, 1.0, most - expected))


def _pairs(count: Tensor) -> Tensor:
    return count * (count - 1) / 2
