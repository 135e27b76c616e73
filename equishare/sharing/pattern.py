"""The sharing pattern: how a full weight comes from its base weights."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.errors import EquishareError


class SharingError(EquishareError):
    """A weight or base weights do not fit a sharing pattern, or a pattern cannot be made."""


def near(table: Tensor, x: Tensor) -> Tensor:
    """A table for a tensor that may have a shape only: tables never go to the meta device, which would forget them."""
    return table.to(x.device) if x.is_meta else table


class SharingPattern(nn.Module, ABC):
    """A linear map from ``n_free`` base weights to a full weight of shape ``shape``, W = sum_i w_i B_i.

    It has no parameters of its own and no state on disk; as a module its tables follow a layer's device, but for the meta
    device, which would forget them. They keep their precision when the layer changes its own, so a cast to float32 and back
    loses nothing, and their values in ``to_empty``.

    >>> from equishare import groups, sharing
    >>> points = groups.symmetric(4).permutation()
    >>> pattern = sharing.solve(points, points)
    >>> pattern
    IndexPattern(shape=(4, 4), n_free=2)
    >>> pattern.expand(torch.tensor([1.0, 5.0]))[0]
    tensor([1., 5., 5., 5.])
    >>> pattern.project(torch.eye(4))
    tensor([1., 0.])
    """

    shape: tuple[int, ...]
    n_free: int

    def __init__(self, shape: tuple[int, ...], n_free: int) -> None:
        super().__init__()
        self.shape = tuple(int(n) for n in shape)
        self.n_free = int(n_free)

    @abstractmethod
    def expand(self, base: Float[Tensor, "*batch n_free"]) -> Float[Tensor, "*batch *shape"]:
        """The full weight, for one set of base weights or a batch of them."""

    @abstractmethod
    def project(self, weight: Float[Tensor, "*batch *shape"]) -> Float[Tensor, "*batch n_free"]:
        """The base weights of the shared weight nearest to a full one (least squares)."""

    def forward(self, base: Float[Tensor, "*batch n_free"]) -> Float[Tensor, "*batch *shape"]:
        """The same as ``expand``."""
        return self.expand(base)

    @property
    def numel(self) -> int:
        """The number of entries of the full weight."""
        return math.prod(self.shape)

    @property
    def _device(self) -> torch.device | None:
        return next((table.device for table in self.buffers()), None)

    def as_matrix(self) -> Float[Tensor, "numel n_free"]:
        """The dense matrix, in double precision, whose columns are the flattened B_i."""
        eye = torch.eye(self.n_free, dtype=torch.float64, device=self._device)
        return self.expand(eye).reshape(self.n_free, self.numel).mT.contiguous()

    def _nothing(self, base: Float[Tensor, "*batch none"]) -> Float[Tensor, "*batch *shape"]:
        """The full weight of no base weights: zeros that depend on them, so that autograd finds every parameter in use."""
        zero = base.sum(-1).reshape(*base.shape[:-1], *[1] * len(self.shape))
        return zero.expand(*base.shape[:-1], *self.shape)

    def _check_base(self, base: Tensor) -> None:
        if base.shape[-1:] != (self.n_free,):
            raise SharingError(f"base weights of shape [..., {self.n_free}] expected, got {list(base.shape)}")

    def _check_weight(self, weight: Tensor) -> tuple[int, ...]:
        """The batch shape of a full weight."""
        split = weight.ndim - len(self.shape)
        if split < 0 or tuple(weight.shape[split:]) != self.shape:
            raise SharingError(f"a weight of shape [..., {self.shape}] expected, got {list(weight.shape)}")
        return tuple(weight.shape[:split])

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> SharingPattern:
        """Move tables between devices, but leave their precision alone."""
        if recurse:
            for child in self.children():
                child._apply(fn)
        for name, table in self._buffers.items():
            if table is not None:
                device = fn(table).device
                self._buffers[name] = table if device.type == "meta" else table.to(device)
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape}, n_free={self.n_free})"


def span_distance(first: SharingPattern, second: SharingPattern) -> float:
    """The sine of the largest principal angle between two patterns' spaces of weights.

    One if the dimensions differ. Zero (to rounding) means that the two share weights in the same way, however
    they number them.

    >>> from equishare import sharing
    >>> a = sharing.IndexPattern(torch.tensor([0, 0, 1]))
    >>> b = sharing.IndexPattern(torch.tensor([1, 1, 0]))
    >>> span_distance(a, b) < 1e-12, span_distance(a, sharing.IndexPattern(torch.tensor([0, 1, 1]))) > 0.5
    (True, True)
    """
    if first.numel != second.numel:
        raise SharingError(f"weights of one size are needed, got {first.shape} and {second.shape}")
    return subspace_distance(first.as_matrix(), second.as_matrix())


def subspace_distance(a: Float[Tensor, "n p"], b: Float[Tensor, "n q"]) -> float:
    """The sine of the largest principal angle between two column spaces; 1 if their dimensions differ."""
    if a.shape[1] != b.shape[1]:
        return 1.0
    if a.shape[1] == 0:
        return 0.0
    qa, qb = torch.linalg.qr(a.double())[0], torch.linalg.qr(b.double())[0]
    return float(torch.linalg.matrix_norm(qb - qa @ (qa.mT @ qb), 2))
