"""Starting values of base weights that keep the variance of the features through many layers."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.on_cpu import on_cpu
from equishare.groups.representation import Representation
from equishare.sharing.basis_pattern import BasisPattern
from equishare.sharing.block_pattern import BlockPattern
from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.pattern import SharingPattern


def gain_after(rep: Representation) -> float:
    """sqrt(2) for permuted coordinates, which a ReLU may follow (He et al. 2015), else 1."""
    return math.sqrt(2) if rep.kind == "permutation" else 1.0


@on_cpu
def convolution_scale(pattern: SharingPattern, in_fields: int, gain: float) -> float:
    """Standard deviation of base weights for outputs of ``gain`` times the input's root mean square.

    For white inputs the sum of Var W over inputs counts, for features that are constant over a field and its
    neighbourhood, as deep layers make them, the variance of the sum of W. They agree for plain filters;
    smooth filters have more of the second. The larger of the two is taken, so that deep nets do not grow.
    """
    white = coherent = 0.0
    if isinstance(pattern, IndexPattern):
        rows = np.arange(pattern.numel) // (pattern.numel // pattern.shape[0])
        signs = pattern.sign.reshape(-1).double().cpu().numpy()
        sums = np.bincount(pattern.gather.cpu().numpy() * pattern.shape[0] + rows, weights=signs)
        white, coherent = float(np.abs(signs).sum()), float(np.square(sums).sum())
        return _scale(in_fields * max(white, coherent) / pattern.shape[0], gain)
    for chunk in torch.eye(pattern.n_free, dtype=torch.float64).split(64) if pattern.n_free else ():
        full = pattern.expand(chunk).reshape(len(chunk), pattern.shape[0], -1)
        white += float(full.square().sum())
        coherent += float(full.sum(-1).square().sum())
    return _scale(in_fields * max(white, coherent) / pattern.shape[0], gain)


def _scale(variance: float, gain: float) -> float:
    """The deviation that turns this variance for unit weights into gain^2."""
    return gain / math.sqrt(variance) if variance > 0 else 0.0


def product_scale(pattern: BasisPattern) -> float:
    """Standard deviation of base weights of a bilinear map for outputs of second moment one: sqrt(out / sum_i |B_i|^2); 0 for none.

    >>> from equishare import groups, sharing
    >>> C4 = groups.cyclic(4)
    >>> product_scale(sharing.bilinear(C4.regular(), C4.regular(), C4.regular()))        # 16 maps of four ones each
    0.25
    """
    numbers = pattern.value if pattern.matrix is None else pattern.matrix
    total = 0.0 if numbers is None else float(numbers.square().sum())
    return math.sqrt(pattern.shape[0] / total) if total > 0 else 0.0


@on_cpu
def spectral_scales(pattern: SharingPattern) -> Float[Tensor, " n_free"]:
    """Standard deviations 1 / (|B_i| sqrt(m_i)), |B_i| the operator norm, m_i the terms that meet in a row.

    The output is then no larger than the input whether the features vary or are constant along an orbit;
    scaling by the fan-in alone would let pooled terms such as those of DeepSets grow by sqrt(n) a layer.
    """
    if isinstance(pattern, BlockPattern):
        pieces = []
        for i, (m, _) in enumerate(pattern.rows):
            row = [pattern.block(i, j) for j in range(len(pattern.columns))]
            fan_in = sum(k for (k, _), block in zip(pattern.columns, row, strict=True) if block.n_free)
            for (k, _), block in zip(pattern.columns, row, strict=True):
                pieces.append((spectral_scales(block) / math.sqrt(max(1, fan_in))).repeat(m * k))
        return torch.cat(pieces)
    if isinstance(pattern, IndexPattern):
        return _index_scales(pattern)
    if pattern.n_free == 0:
        return torch.zeros(0, dtype=torch.float64)
    basis = pattern.as_matrix().mT.reshape(pattern.n_free, pattern.shape[0], -1)
    return 1 / (torch.linalg.matrix_norm(basis, 2) * math.sqrt(pattern.n_free))


def _index_scales(pattern: IndexPattern) -> Tensor:
    """The same for orbits: the norm of a biregular 0-1 matrix is sqrt(row count * column count)."""
    index = pattern.index.reshape(pattern.shape[0], -1).cpu().numpy()
    row, column = np.nonzero(index >= 0)
    base = index[row, column]
    counts = []
    for place, size in ((row, index.shape[0]), (column, index.shape[1])):
        pairs, number = np.unique(base * size + place, return_counts=True)
        largest = np.ones(pattern.n_free, dtype=np.int64)
        np.maximum.at(largest, pairs // size, number)
        counts.append(largest)
    pairs = np.unique(base * index.shape[0] + row)
    terms = np.bincount(pairs % index.shape[0], minlength=index.shape[0])
    meeting = np.ones(pattern.n_free, dtype=np.int64)
    np.maximum.at(meeting, pairs // index.shape[0], terms[pairs % index.shape[0]])
    return torch.from_numpy(1 / np.sqrt(counts[0] * counts[1] * meeting.astype(np.float64)))
