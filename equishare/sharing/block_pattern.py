"""Patterns made of patterns: copies, blocks, and one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.pattern import SharingError, SharingPattern


class RepeatedPattern(SharingPattern):
    """``count`` independent copies of a pattern: shape (count, *shape), base weights copy by copy.

    >>> RepeatedPattern(IndexPattern(torch.tensor([0, 0])), 2).expand(torch.tensor([1.0, 2.0]))
    tensor([[1., 1.],
            [2., 2.]])
    """

    def __init__(self, pattern: SharingPattern, count: int) -> None:
        super().__init__((count, *pattern.shape), count * pattern.n_free)
        self.pattern, self.count = pattern, count

    def expand(self, base: Float[Tensor, "*batch n_free"]) -> Float[Tensor, "*batch *shape"]:
        """Each copy expanded."""
        self._check_base(base)
        return self.pattern.expand(base.reshape(*base.shape[:-1], self.count, self.pattern.n_free))

    def project(self, weight: Float[Tensor, "*batch *shape"]) -> Float[Tensor, "*batch n_free"]:
        """Each copy projected."""
        self._check_weight(weight)
        return self.pattern.project(weight).flatten(-2)


class BlockPattern(SharingPattern):
    """A matrix of blocks: ``rows[i] = (copies, size)``, columns alike, one pattern for each kind of block.

    Block (i, j) has ``copies_i * copies_j`` independent sets of base weights; they follow each other kind by
    kind. This is the intertwiner of direct sums: it never stores a basis of the whole.
    """

    def __init__(
        self,
        rows: Sequence[tuple[int, int]],
        columns: Sequence[tuple[int, int]],
        blocks: Sequence[Sequence[SharingPattern]],
    ) -> None:
        counts = [[m * k * blocks[i][j].n_free for j, (k, _) in enumerate(columns)] for i, (m, _) in enumerate(rows)]
        for i, (_, a) in enumerate(rows):
            for j, (_, b) in enumerate(columns):
                if blocks[i][j].shape != (a, b):
                    raise SharingError(f"block {i}, {j} of shape {(a, b)} expected, got {blocks[i][j].shape}")
        shape = (sum(m * a for m, a in rows), sum(k * b for k, b in columns))
        super().__init__(shape, sum(map(sum, counts)))
        self.rows, self.columns, self.counts = tuple(rows), tuple(columns), counts
        self.blocks = nn.ModuleList(nn.ModuleList(row) for row in blocks)

    def block(self, i: int, j: int) -> SharingPattern:
        """The pattern of one kind of block."""
        return self.blocks[i][j]  # type: ignore[index]

    def expand(self, base: Float[Tensor, "*batch n_free"]) -> Float[Tensor, "*batch rows columns"]:
        """Each kind of block expanded for all its copies, then laid side by side."""
        self._check_base(base)
        pieces = iter(base.split([n for row in self.counts for n in row], dim=-1))
        bands = []
        for i, (m, a) in enumerate(self.rows):
            band = []
            for j, (k, b) in enumerate(self.columns):
                piece = next(pieces).reshape(*base.shape[:-1], m, k, self.block(i, j).n_free)
                full = self.block(i, j).expand(piece).transpose(-3, -2)  # [..., m, a, k, b]
                band.append(full.reshape(*base.shape[:-1], m * a, k * b))
            bands.append(torch.cat(band, dim=-1))
        return torch.cat(bands, dim=-2)

    def project(self, weight: Float[Tensor, "*batch rows columns"]) -> Float[Tensor, "*batch n_free"]:
        """Each block projected."""
        batch = self._check_weight(weight)
        pieces = []
        bands = weight.split([m * a for m, a in self.rows], dim=-2)
        for i, (m, a) in enumerate(self.rows):
            parts = bands[i].split([k * b for k, b in self.columns], dim=-1)
            for j, (k, b) in enumerate(self.columns):
                full = parts[j].reshape(*batch, m, a, k, b).transpose(-3, -2)
                pieces.append(self.block(i, j).project(full).reshape(*batch, self.counts[i][j]))
        return torch.cat(pieces, dim=-1)


class ComposedPattern(SharingPattern):
    """The outer pattern's base weights are the inner pattern's full weight."""

    def __init__(self, outer: SharingPattern, inner: SharingPattern) -> None:
        super().__init__(outer.shape, inner.n_free)
        self.outer, self.inner = outer, inner

    def expand(self, base: Float[Tensor, "*batch n_free"]) -> Float[Tensor, "*batch *shape"]:
        """The inner weight expanded by the outer pattern."""
        inner = self.inner.expand(base)
        return self.outer.expand(inner.reshape(*base.shape[:-1], self.outer.n_free))

    def project(self, weight: Float[Tensor, "*batch *shape"]) -> Float[Tensor, "*batch n_free"]:
        """The least-squares solution over the dense matrix of the whole."""
        batch = self._check_weight(weight)
        matrix = self.as_matrix().to(weight.device)
        rows = weight.reshape(-1, self.numel).double()
        return torch.linalg.lstsq(matrix, rows.mT).solution.mT.reshape(*batch, self.n_free).to(weight.dtype)


def compose(outer: SharingPattern, inner: SharingPattern) -> SharingPattern:
    """The pattern base -> outer.expand(inner.expand(base)); one gather where both are in index form.

    Raises:
        SharingError: the inner weight has not as many entries as the outer pattern has base weights.

    >>> outer, inner = IndexPattern(torch.tensor([2, 1, 0])), IndexPattern(torch.tensor([0, 0, 1]))
    >>> compose(outer, inner).expand(torch.tensor([5.0, 7.0]))
    tensor([7., 5., 5.])
    """
    if inner.numel != outer.n_free:
        raise SharingError(f"an inner weight of {outer.n_free} entries expected, got {inner.numel}")
    if not (isinstance(outer, IndexPattern) and isinstance(inner, IndexPattern)) or outer.n_free == 0:
        return ComposedPattern(outer, inner)
    first, sign = inner.index.reshape(-1), inner.sign.reshape(-1)
    index = torch.where(outer.sign.reshape(-1) == 0, -1, first[outer.gather])
    signs = outer.sign.reshape(-1) * sign[outer.gather]
    return IndexPattern(index.reshape(outer.shape), signs.reshape(outer.shape), inner.n_free)
