"""Linear maps between tensors that commute with every permutation of the points."""

from __future__ import annotations

import numpy as np
import torch

from equishare.groups.on_cpu import on_cpu
from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.pattern import SharingError


@on_cpu
def permutation_maps(n: int, order_in: int, order_out: int) -> IndexPattern:
    """All S_n-equivariant maps from tensors of one order to tensors of another, written down directly.

    An entry W[o_1 .. o_l, i_1 .. i_k] depends only on which of its indices are equal, so base weights are the
    partitions of k + l indices into at most n sets: Bell(k + l) of them for n >= k + l (Maron et al. 2019,
    "Invariant and Equivariant Graph Networks"). DeepSets (Zaheer et al. 2017) is order 1 to order 1. The
    weight is a matrix of shape (n^l, n^k).

    Raises:
        SharingError: n < 1 or a negative order.

    >>> permutation_maps(4, 1, 1).expand(torch.tensor([1.0, 0.0]))[0], permutation_maps(4, 2, 2).n_free
    (tensor([1., 0., 0., 0.]), 15)
    """
    if n < 1 or min(order_in, order_out) < 0:
        raise SharingError(f"n >= 1 and orders >= 0 expected, got {n}, {order_in}, {order_out}")
    order = order_in + order_out
    indices = np.indices((n,) * order, dtype=np.int16).reshape(order, n**order)
    # restricted growth string: the number of the set that each index falls in, in order of first appearance
    code = np.zeros(indices.shape[1], dtype=np.int64)
    label = np.zeros_like(indices)
    used = np.zeros(indices.shape[1], dtype=np.int16)
    for a in range(order):
        fresh = np.ones(indices.shape[1], dtype=bool)
        for b in range(a):
            equal = indices[a] == indices[b]
            label[a][equal] = label[b][equal]
            fresh &= ~equal
        label[a][fresh] = used[fresh]
        used += fresh
        code = code * order + label[a]
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return IndexPattern(torch.from_numpy(rank[inverse.ravel()].reshape(n**order_out, n**order_in)))
