"""Sharing by linear relations: the weight is a combination of fixed basis tensors."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from scipy.sparse import coo_matrix
from torch import Tensor

from equishare.sharing.pattern import SharingError, SharingPattern, near


class BasisPattern(SharingPattern):
    """The basis form: W = sum_i w_i B_i, with the flattened B_i as columns of a matrix, dense or sparse.

    Args:
        matrix: columns, independent but for those of a torus smaller than its kernel; kept in double precision, and cast to the base weights' precision at use.
        shape: shape of the weight.

    Raises:
        SharingError: the matrix does not fit the shape.

    >>> BasisPattern(torch.tensor([[1.0], [2.0]]), (2,)).expand(torch.tensor([3.0]))
    tensor([3., 6.])
    """

    matrix: Tensor | None  # where the basis is dense
    entry: Tensor | None  # where it is sparse: the places of its numbers, and these
    column: Tensor | None
    value: Tensor | None

    def __init__(self, matrix: Float[Tensor, "numel n_free"], shape: tuple[int, ...]) -> None:
        super().__init__(shape, matrix.shape[1])
        if matrix.shape[0] != self.numel:
            raise SharingError(f"{self.numel} rows expected for shape {shape}, got {matrix.shape[0]}")
        matrix = matrix.detach().double()
        entry = column = value = None
        if matrix.is_sparse:
            matrix = matrix.coalesce()
            (entry, column), value = matrix.indices().clone(), matrix.values().clone()
        tables = {"matrix": None if matrix.is_sparse else matrix, "entry": entry, "column": column, "value": value}
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)

    def expand(self, base: Float[Tensor, "*batch n_free"]) -> Float[Tensor, "*batch *shape"]:
        """The full weight, by one matrix product; of a sparse basis, by one gather and one sum."""
        self._check_base(base)
        if self.n_free == 0:
            return self._nothing(base)
        rows = base.reshape(math.prod(base.shape[:-1]), self.n_free)
        if self.matrix is not None:
            full = rows @ near(self.matrix, base).to(base.dtype).mT
        else:
            entry, column, value = self._sparse(base)
            terms = rows.index_select(1, column) * value.to(base.dtype)
            full = terms.new_zeros(rows.shape[0], self.numel).index_add(1, entry, terms)
        return full.reshape(*base.shape[:-1], *self.shape)

    def _sparse(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Entries, columns and values of a sparse basis."""
        if self.entry is None or self.column is None or self.value is None:
            raise SharingError("the basis is dense")
        return near(self.entry, x), near(self.column, x), near(self.value, x)

    def project(self, weight: Float[Tensor, "*batch *shape"]) -> Float[Tensor, "*batch n_free"]:
        """The least-squares solution of B w = W, through the basis's Gram matrix; the shortest one where columns depend on each other."""
        batch = self._check_weight(weight)
        rows = weight.reshape(math.prod(batch), self.numel).double()
        if self.matrix is None:
            entry, column, value = self._sparse(weight)
            terms = rows.index_select(1, entry) * value
            overlap = terms.new_zeros(rows.shape[0], self.n_free).index_add(1, column, terms).mT
            where = entry.cpu().numpy(), column.cpu().numpy()
            columns = coo_matrix((value.cpu().numpy(), where), shape=(self.numel, self.n_free)).tocsr()
            gram = torch.from_numpy((columns.T @ columns).toarray()).to(weight.device)
        else:
            overlap, gram = self.matrix.mT @ rows.mT, self.matrix.mT @ self.matrix
        factor, failed = torch.linalg.cholesky_ex(gram)
        pivots = factor.diagonal()
        if int(failed) or (len(pivots) and float(pivots.min()) < 1e-7 * float(pivots.max())):
            base = (torch.linalg.pinv(gram, hermitian=True) @ overlap).mT  # some columns are combinations of others
        else:
            base = torch.cholesky_solve(overlap, factor).mT
        return base.reshape(*batch, self.n_free).to(weight.dtype)
