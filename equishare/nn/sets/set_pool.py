"""Invariants of a set: sum, mean, extremes, deviation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from equishare.nn.feature_types import FeatureTypes, Invariants
from equishare.nn.layer import EquivarianceError, Layer, LayerError
from equishare.nn.sets.features import SetFeatures
from equishare.nn.sets.levels import fill_padding, set_mean
from equishare.nn.sets.padding import check_batch, check_mask

REDUCTIONS = ("sum", "mean", "max", "min", "std")


class SetPool(Layer):
    r"""One number a channel for the whole set, whatever the order of its points.

    .. math:: y = \bigoplus_i x_i, \qquad f(\pi x) = f(x) \text{, exact}

    Args:
        reduce: ``"sum"``, ``"mean"``, ``"max"``, ``"min"``, ``"std"`` (the root of the mean squared deviation; its derivative is zero
            where it is zero), or several of them, one after the other along the channels.

    Shapes:
        ``[..., n, C]`` -> ``[..., R C]`` for R reductions; with a batch vector ``[N, C]`` -> ``[sets, R C]``. An empty set gives zero.

    Raises:
        LayerError: an unknown reduction, or the shape of x, mask or batch does not fit, or both mask and batch are given.

    Zaheer et al. 2017, "Deep Sets"; several at once: Corso et al. 2020, "Principal Neighbourhood Aggregation for Graph Nets".

    >>> pool = SetPool(("mean", "max"))
    >>> pool(torch.tensor([[[1.0], [5.0], [9.0]]]), torch.tensor([[True, True, False]]))
    tensor([[3., 5.]])
    """

    def __init__(self, reduce: str | Sequence[str] = "mean") -> None:
        super().__init__()
        self.reduce = (reduce,) if isinstance(reduce, str) else tuple(reduce)
        unknown = [name for name in self.reduce if name not in REDUCTIONS]
        if unknown or not self.reduce:
            raise LayerError(f"reduce: one or several of {', '.join(REDUCTIONS)} expected, got {reduce!r}")

    def after(self, given: FeatureTypes) -> FeatureTypes:
        """Invariants of the set, as many a channel as there are reductions."""
        if not isinstance(given, SetFeatures) or given.order != 1:
            apart = ": where these lie on points, pool what the chain gives, as by SetPool()(x, batch=batch)"
            remedy = apart if getattr(given, "invariants", None) is not None else ""
            raise EquivarianceError(f"takes features of points, but the layer before it gives {given}{remedy}")
        return Invariants(len(self.reduce) * given.channels)

    def forward(
        self,
        x: Float[Tensor, "*points channels"],
        mask: Bool[Tensor, "*points"] | None = None,
        *,
        batch: Int[Tensor, " list"] | None = None,
        batch_size: int | None = None,
    ) -> Float[Tensor, "*sets pooled"]:
        """The invariants.

        Args:
            x: Padded sets ``[..., n, C]``, or with ``batch`` one list of points ``[N, C]``.
            mask: ``[..., n]``, true at points; what stands at padding does not matter.
            batch: ``[N]``, the set of each point, in any order.
            batch_size: number of sets in the list; needed where the last ones are empty.
        """
        if x.ndim < 2:
            raise LayerError(f"SetPool: features [..., n, channels] expected, got {list(x.shape)}")
        self.require_numbers(x, mask=mask, batch=batch)
        if batch is not None:
            if mask is not None:
                raise LayerError("a mask is for padded sets, a batch vector for one list of points: give one of them")
            size = check_batch(x, batch, batch_size)
            return torch.cat([_of_list(x, batch, size, name) for name in self.reduce], dim=-1)
        check_mask(mask, x.shape[:-1])
        x = fill_padding(x, 1, mask)
        return torch.cat([_of_padded(x, mask, name) for name in self.reduce], dim=-1)

    def extra_repr(self) -> str:
        """The reductions."""
        return ", ".join(self.reduce)


def _of_padded(x: Tensor, mask: Tensor | None, reduce: str) -> Tensor:
    """One reduction over the points of [..., n, C], filled with zero at padding."""
    if reduce == "sum":
        return x.sum(-2)
    if reduce == "mean":
        return set_mean(x, mask)
    if reduce == "std":
        deviation = fill_padding(x - set_mean(x, mask).unsqueeze(-2), 1, mask)
        return _root(set_mean(deviation.square(), mask))
    if x.shape[-2] == 0:
        return x.sum(-2)
    if mask is None:
        return x.amax(-2) if reduce == "max" else x.amin(-2)
    neutral = -torch.inf if reduce == "max" else torch.inf
    real = x.masked_fill(~mask.unsqueeze(-1), neutral)
    extreme = real.amax(-2) if reduce == "max" else real.amin(-2)
    return extreme.masked_fill(~mask.any(-1, keepdim=True), 0)


def _of_list(x: Tensor, batch: Tensor, size: int, reduce: str) -> Tensor:
    """One reduction over each set of a list of points [N, C]."""
    zero = x.new_zeros(size, x.shape[-1])
    if reduce == "sum":
        return zero.index_add(0, batch, x)
    if reduce in ("max", "min"):
        index = batch.unsqueeze(-1).expand_as(x)
        return zero.scatter_reduce(0, index, x, "amax" if reduce == "max" else "amin", include_self=False)
    count = torch.bincount(batch, minlength=size).clamp(min=1).unsqueeze(-1)
    mean = zero.index_add(0, batch, x) / count
    if reduce == "mean":
        return mean
    return _root(zero.index_add(0, batch, (x - mean[batch]).square()) / count)


def _root(variance: Tensor) -> Tensor:
    """Square root with derivative zero at zero."""
    zero = variance == 0
    return variance.masked_fill(zero, 1).sqrt().masked_fill(zero, 0)
