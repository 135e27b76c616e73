"""Sharing by equality: each entry of the weight is one base weight, up to its sign, or zero."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from equishare.groups.permutation import SignedPermutation
from equishare.sharing.pattern import SharingError, SharingPattern, near


class IndexPattern(SharingPattern):
    """The index form: W[e] = sign[e] * w[index[e]], and 0 where index[e] = -1.

    Expansion is one gather; its gradient, by the chain rule, is the sum over all uses of a base weight.

    Args:
        index: number of the base weight of each entry, -1 for entries that are always zero.
        sign: +1 or -1 for each entry; None for all +1.
        n_free: number of base weights, by default one more than the largest index.

    Raises:
        SharingError: an index is out of range, or the signs do not fit.

    >>> pattern = IndexPattern(torch.tensor([[0, 1], [1, 0]]), torch.tensor([[1, 1], [-1, 1]]))
    >>> pattern.expand(torch.tensor([2.0, 3.0]))
    tensor([[ 2.,  3.],
            [-3.,  2.]])
    """

    gather: Tensor
    factor: Tensor | None

    def __init__(
        self,
        index: Int[Tensor, "*shape"],
        sign: Int[Tensor, "*shape"] | None = None,
        n_free: int | None = None,
    ) -> None:
        index = torch.as_tensor(index).long()
        largest = int(index.max()) if index.numel() else -1
        n_free = largest + 1 if n_free is None else n_free
        if index.numel() and (int(index.min()) < -1 or largest >= n_free):
            raise SharingError(f"indices from -1 to {n_free - 1} expected, got {int(index.min())} to {largest}")
        super().__init__(tuple(index.shape), n_free)
        flat = index.reshape(-1)
        factor = torch.ones_like(flat, dtype=torch.int8)
        if sign is not None:
            if sign.shape != index.shape or not bool((sign.abs() == 1)[index >= 0].all()):
                raise SharingError(f"signs +1 or -1 of shape {tuple(index.shape)} expected, got {tuple(sign.shape)}")
            factor = sign.reshape(-1).to(torch.int8)
        factor = torch.where(flat < 0, torch.zeros_like(factor), factor)
        self.register_buffer("gather", flat.clamp(min=0), persistent=False)
        self.register_buffer("factor", None if bool((factor == 1).all()) else factor, persistent=False)

    @property
    def index(self) -> Int[Tensor, "*shape"]:
        """The number of the base weight of each entry, -1 where the entry is zero."""
        flat = self.gather if self.factor is None else torch.where(self.factor == 0, -1, self.gather)
        return flat.reshape(self.shape)

    @property
    def sign(self) -> Int[Tensor, "*shape"]:
        """The sign of each entry, 0 where the entry is zero."""
        flat = torch.ones_like(self.gather, dtype=torch.int8) if self.factor is None else self.factor
        return flat.reshape(self.shape)

    def expand(self, base: Float[Tensor, "*batch n_free"]) -> Float[Tensor, "*batch *shape"]:
        """The full weight, by one gather."""
        self._check_base(base)
        if self.n_free == 0:
            return self._nothing(base)
        full = base.index_select(-1, near(self.gather, base))
        if self.factor is not None:
            full = full * near(self.factor, base).to(full.dtype)
        return full.reshape(*base.shape[:-1], *self.shape)

    def project(self, weight: Float[Tensor, "*batch *shape"]) -> Float[Tensor, "*batch n_free"]:
        """The mean over the uses of each base weight (0 for one that is never used), added up in double precision."""
        batch = self._check_weight(weight)
        flat = weight.reshape(*batch, self.numel).double()
        uses = torch.ones_like(self.gather, dtype=flat.dtype)
        if self.factor is not None:
            flat, uses = flat * self.factor, self.factor.abs().double()
        if self.n_free == 0:
            return weight.new_zeros(*batch, 0)
        sums = flat.new_zeros(*batch, self.n_free).index_add(-1, self.gather, flat)
        counts = uses.new_zeros(self.n_free).index_add(0, self.gather, uses)
        return (sums / counts.clamp(min=1)).to(weight.dtype)


def orbits(actions: list[SignedPermutation], shape: tuple[int, ...]) -> IndexPattern:
    """Entries that signed permutations map to each other share a weight.

    Orbits are the connected components of the graph that joins each entry with its images under the
    generators. With signs, the graph is that of pairs (entry, sign): an entry that meets its own negative
    must be zero.

    >>> swap = SignedPermutation.unsigned(np.array([1, 0, 2]))
    >>> orbits([swap], (3,)).index
    tensor([0, 0, 1])
    """
    count = int(np.prod(shape, dtype=np.int64))
    signed = any((action.sign < 0).any() for action in actions)
    sheets = 2 if signed else 1
    entries = np.arange(count, dtype=np.int64)
    rows, columns = [], []
    for action in actions:
        for sheet in range(sheets):
            flipped = (action.sign < 0).astype(np.int64) if signed else 0
            rows.append(entries + sheet * count)
            columns.append(action.image + ((sheet + flipped) % sheets) * count)
    edges = (np.concatenate(rows), np.concatenate(columns)) if rows else (entries[:0], entries[:0])
    data = np.ones(len(edges[0]), dtype=np.int8)
    graph = coo_matrix((data, edges), shape=(sheets * count, sheets * count))
    _, labels = connected_components(graph, directed=False)
    plus = labels[:count]
    minus = labels[count:] if signed else plus
    orbit = np.minimum(plus, minus)
    used = plus != minus if signed else np.ones(count, dtype=bool)
    values, first, inverse = np.unique(orbit[used], return_index=True, return_inverse=True)
    rank = np.empty(len(values), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(values))  # numbered in the order of first appearance
    index = np.full(count, -1, dtype=np.int64)
    index[used] = rank[inverse]
    if not signed:
        return IndexPattern(torch.from_numpy(index.reshape(shape)), None, len(values))
    sign = np.where(plus == orbit, 1, -1)
    lead = np.ones(len(values), dtype=np.int64)
    lead[rank] = sign[used][first]  # the first entry of each orbit has the sign +1
    sign[used] *= lead[index[used]]
    return IndexPattern(torch.from_numpy(index.reshape(shape)), torch.from_numpy(sign.reshape(shape)), len(values))
