"""Sharing by linear relations: the weight is a combination of fixed basis tensors."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from scipy.sparse import coo_matrix
from torch import Tensor

from equishare.sharing.pattern import SharingError, SharingPattern


class BasisPattern(SharingPattern):
    """The basis form: W = sum_i w_i B_i, with the flattened B_i as columns of a matrix, dense or sparse.

    Args:
        matrix: independent columns; kept in double precision, and cast to the base weights' precision at use.
        shape: shape of the weight.

    Raises:
        SharingError: the matrix does not fit the shape.

    >>> BasisPattern(torch.tensor([[1.0], [2.0]]), (2,)).expand(torch.tensor([3.0]))
    tensor([3., 6.])
    """

    matrix: Tensor

    def __init__(self, matrix: Float[Tensor, "numel n_free"], shape: tuple[int, ...]) -> None:
        super().__init__(shape, matrix.shape[1])
        if matrix.shape[0] != self.numel:
            raise SharingError(f"{self.numel} rows expected for shape {shape}, got {matrix.shape[0]}")
        matrix = matrix.detach().double()
        self.register_buffer("matrix", matrix.coalesce() if matrix.is_sparse else matrix, persistent=False)

    def expand(self, base: Float[Tensor, "*batch n_free"]) -> Float[Tensor, "*batch *shape"]:
        """The full weight, by one matrix product."""
        self._check_base(base)
        matrix = self._near(self.matrix, base).to(base.dtype)
        rows = base.reshape(math.prod(base.shape[:-1]), self.n_free)
        full = torch.sparse.mm(matrix, rows.mT).mT if matrix.is_sparse else rows @ matrix.mT
        return full.reshape(*base.shape[:-1], *self.shape)

    def project(self, weight: Float[Tensor, "*batch *shape"]) -> Float[Tensor, "*batch n_free"]:
        """The least-squares solution of B w = W, through the basis's Gram matrix."""
        batch = self._check_weight(weight)
        rows = weight.reshape(math.prod(batch), self.numel).double()
        if self.matrix.is_sparse:
            overlap = torch.sparse.mm(self.matrix.mT, rows.mT)
            where, values = self.matrix.indices().cpu().numpy(), self.matrix.values().cpu().numpy()
            columns = coo_matrix((values, where), shape=tuple(self.matrix.shape)).tocsr()
            gram = torch.from_numpy((columns.T @ columns).toarray()).to(weight.device)
        else:
            overlap, gram = self.matrix.mT @ rows.mT, self.matrix.mT @ self.matrix
        base = torch.linalg.solve(gram, overlap).mT
        return base.reshape(*batch, self.n_free).to(weight.dtype)
