"""Freezing a whole model to plain torch layers."""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.utils import parametrize

from equishare.nn.layer import Freezable


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
    return _frozen(copy.deepcopy(model))


def _frozen(module: nn.Module) -> nn.Module:
    """The module with its tied parts replaced, in place where it can be."""
    if isinstance(module, Freezable):
        return module.to_torch()
    if parametrize.is_parametrized(module):
        # not remove_parametrizations: a copy shares its class with the original, which that would change
        values = {name: getattr(module, name).detach().clone() for name in module.parametrizations}  # type: ignore[union-attr]
        plain_class = parametrize.type_before_parametrizations(module)
        del module.parametrizations
        module.__class__ = plain_class
        for name, value in values.items():
            module.register_parameter(name, nn.Parameter(value))
    for name, child in list(module.named_children()):
        setattr(module, name, _frozen(child))
    return module
