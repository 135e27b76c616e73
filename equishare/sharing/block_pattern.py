"""A matrix of blocks, each with a pattern of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.sharing.pattern import SharingError, SharingPattern


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
