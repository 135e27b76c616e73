"""A whole model as plain torch layers."""

from __future__ import annotations

import copy

from torch import nn

from equishare.nn.layer import plain


def to_torch(model: nn.Module) -> nn.Module:
    """A copy of a model in which every tied layer is the plain torch layer that it equals; for inference.

    Layers of this library become ``nn.Linear``, ``nn.ConvNd``, ``nn.LSTM``, ``nn.BatchNormNd`` and pooling; parameters
    that ``sharing.share`` or ``sharing.tie`` made are written out in full. The outputs are the same to
    rounding, and the result needs nothing but torch to be exported.

    >>> import torch
    >>> from equishare import groups, nn as symmetric
    >>> G = groups.symmetric(5)
    >>> model = nn.Sequential(symmetric.SharedLinear(G.permutation(), G.permutation()), nn.ReLU())
    >>> to_torch(model)
    Sequential(
      (0): Linear(in_features=5, out_features=5, bias=True)
      (1): ReLU()
    )
    """
    return plain(copy.deepcopy(model))
