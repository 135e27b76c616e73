"""The two steps without weights of every permutation-equivariant linear map: contract and broadcast.

A feature of order k (one number a channel for each k-tuple of points) is contracted to what it holds on *levels* 0 (the whole set),
1 (each point) and 2 (each ordered pair); weights mix channels level by level; the results are broadcast to the order of the output:

    order 0   level 0: x
    order 1   level 0: mean of x;                      level 1: x_i minus that mean
    order 2   level 0: mean of diagonal, of the rest;  level 1: diagonal, row means, column means, each minus its mean;
              level 2: x_ij and x_ji

Symmetric features of order 2 (undirected graphs) have one kind of row mean, and x_ij = x_ji. The diagonal of order 2 is kept apart
from the rest throughout: row and column means leave it out, and what is broadcast to it replaces what the pairs gave.
"""

from __future__ import annotations

import torch
from torch import Tensor

from equishare.ops.backend import transformed

# pieces that a feature of each order is contracted to, level by level
CONTRACTIONS: dict[int, tuple[int, ...]] = {0: (1,), 1: (1, 1), 2: (2, 3, 2)}
CONTRACTIONS_UNDIRECTED: dict[int, tuple[int, ...]] = {0: (1,), 1: (1, 1), 2: (2, 2, 1)}
# pieces that a feature of each order is broadcast from; x_ij and x_ji give one
BROADCASTS: dict[int, tuple[int, ...]] = {0: (1,), 1: (1, 1), 2: (2, 3, 1)}
BROADCASTS_UNDIRECTED: dict[int, tuple[int, ...]] = {0: (1,), 1: (1, 1), 2: (2, 2, 1)}


def fill_padding(x: Tensor, order: int, mask: Tensor | None) -> Tensor:
    """Zero wherever one of the points of an entry is padding; whatever stands there, NaN too, is forgotten."""
    if mask is None or order == 0:
        return x
    real = mask if order == 1 else mask.unsqueeze(-1) & mask.unsqueeze(-2)
    return x.masked_fill(~real.unsqueeze(-1), 0)


def set_mean(x: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the points of [..., n, C], filled with zero at padding; zero for an empty set."""
    if mask is None:
        return x.sum(-2) / max(x.shape[-2], 1)
    return x.sum(-2) / mask.sum(-1, keepdim=True).clamp(min=1)


def contract(x: Tensor, order: int, mask: Tensor | None, undirected: bool) -> list[Tensor]:
    """The pieces of a feature, filled with zero at padding: [..., pieces * C], [..., n, pieces * C], [..., n, n, C]."""
    if order == 0:
        return [x]
    if order == 1:
        mean = set_mean(x, mask)
        return [mean, x - mean.unsqueeze(-2)]
    diagonal = x.diagonal(dim1=-3, dim2=-2).mT
    if mask is None:
        others: Tensor | int = max(x.shape[-2] - 1, 1)
    else:
        others = (mask.sum(-1) - 1).clamp(min=1)[..., None, None]
    pieces = [diagonal, (x.sum(-2) - diagonal) / others]
    if not undirected:
        pieces.append((x.sum(-3) - diagonal) / others)
    means = [set_mean(piece, mask) for piece in pieces]
    points = torch.cat([piece - mean.unsqueeze(-2) for piece, mean in zip(pieces, means, strict=True)], dim=-1)
    return [torch.cat(means[:2], dim=-1), points, x]


def broadcast(whole: Tensor, points: Tensor, pairs: Tensor | None, order: int, undirected: bool) -> Tensor:
    """The feature of an order from its pieces on levels 0, 1 and 2 (overwritten). Padding is left to the caller."""
    if order == 0:
        return whole
    if order == 1:
        return points + whole.unsqueeze(-2)
    diagonal, *both = points.chunk(2 if undirected else 3, dim=-1)
    on_diagonal, rest = whole.unsqueeze(-2).chunk(2, dim=-1)
    rows, columns = (both[0] + rest).unsqueeze(-2), both[-1].unsqueeze(-3)
    on_diagonal = (diagonal + on_diagonal).unsqueeze(-2)
    if torch.compiler.is_compiling() or transformed():
        # a compiler, ONNX and vmap follow no write into a view
        out = rows + columns if pairs is None else pairs + rows + columns
        n = out.shape[-2]
        places = torch.arange(n, device=out.device)
        return torch.where((places == places.unsqueeze(-1)).unsqueeze(-1), on_diagonal, out)
    out = rows + columns if pairs is None else pairs.add_(rows).add_(columns)
    out.diagonal(dim1=-3, dim2=-2).copy_(on_diagonal.squeeze(-2).mT)
    return out
