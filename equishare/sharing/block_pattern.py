"""A matrix of blocks, each with a pattern of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.sharing.pattern import SharingError, SharingPattern, near

LEAST_DENSE = 4_096  # entries below which one dense product is quicker than several small ones


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
        self._scalars: dict[tuple[int, int], float] = {}
        self.pays = self._find_bases()

    def _find_bases(self) -> bool:
        """Whether ``multiply`` has less than half of the dense product's work; if so, with each block's basis at hand."""
        places = [(i, j) for i, row in enumerate(self.counts) for j, count in enumerate(row) if count]
        work = 0
        for i, j in places:
            (m, a), b = self.rows[i], self.columns[j][1]
            work += self.counts[i][j] * a + self.counts[i][j] // m * a * b  # mixed copies, turned fields
        if not self.numel >= LEAST_DENSE or 2 * work > self.numel:
            return False
        for i, j in places:
            a, b = self.rows[i][1], self.columns[j][1]
            basis = self.block(i, j).as_matrix().reshape(a, b, -1)
            one = torch.eye(a, dtype=torch.float64, device=basis.device)
            if a == b and basis.shape[2] == 1 and float((basis[..., 0] - basis[0, 0, 0] * one).abs().max()) < 1e-12:
                self._scalars[i, j] = float(basis[0, 0, 0])
            else:
                self.register_buffer(f"basis_{i}_{j}", basis, persistent=False)
        return True

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

    def multiply(
        self, base: Float[Tensor, " n_free"], x: Float[Tensor, "*batch columns"]
    ) -> Float[Tensor, "*batch rows"]:
        """``x @ expand(base).T`` without the dense matrix: a block's few basis matrices act on fields, base weights on their copies.

        Between irreps it costs a (2 l + 1)-th of the dense product. Where ``pays`` is False, use ``expand``.
        """
        pieces = iter(base.split([n for row in self.counts for n in row]))
        sources = x.split([k * b for k, b in self.columns], dim=-1)
        out = []
        for i, (m, a) in enumerate(self.rows):
            band = x.new_zeros(()).expand(*x.shape[:-1], m, a)
            for j, (k, b) in enumerate(self.columns):
                piece, fields = next(pieces), sources[j].unflatten(-1, (k, b))
                if not self.counts[i][j]:
                    continue
                if (i, j) in self._scalars:
                    band = band + (piece.reshape(m, k) * self._scalars[i, j]) @ fields
                    continue
                basis = near(self.get_buffer(f"basis_{i}_{j}"), x).to(x.dtype)  # [a, b, f]
                turned = (fields @ basis.permute(1, 2, 0).flatten(1)).unflatten(-1, (-1, a))  # [..., k, f, a]
                band = band + piece.reshape(m, -1) @ turned.flatten(-3, -2)
            out.append(band.flatten(-2))
        return torch.cat(out, dim=-1)

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
