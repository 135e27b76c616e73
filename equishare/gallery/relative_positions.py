"""Where the cells of a grid are, seen from a point of each slot's own."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


def cell_centres(size: int, stride: int) -> Float[Tensor, " cells"]:
    """Centres of cells of ``stride`` pixels along a side of ``size`` pixels, which goes from -1 to 1; the last may stand over the edge.

    >>> cell_centres(4, 2)
    tensor([-0.5000,  0.5000])
    """
    centre = torch.arange(0, size, stride) + (stride - 1) / 2
    return (2 * centre - (size - 1)) / size


def fourier_features(x: Float[Tensor, "*shape"], frequencies: int) -> Float[Tensor, "*shape features"]:
    r"""Coordinates x with the sines and cosines of :math:`2^k \pi x / 2`, k below ``frequencies``: 1 + 2 ``frequencies`` numbers.

    >>> fourier_features(torch.zeros(5), frequencies=3).shape
    torch.Size([5, 7])
    """
    x = x.unsqueeze(-1)
    phase = x * (math.pi / 2 * 2.0 ** torch.arange(frequencies, dtype=x.dtype, device=x.device))
    return torch.cat([x, phase.sin(), phase.cos()], dim=-1)


class RelativePositions(nn.Module):
    r"""The positions of a square grid's cells relative to a point, as features: :math:`V_1 \phi(y_p - c_1) + V_2 \phi(x_p - c_2)`.

    Law: moving grid and points together changes nothing, exactly.

    Args:
        size: side of the picture in pixels.
        stride: side of a cell in pixels.
        channels: of the features.
        frequencies: of phi, see ``fourier_features``.

    >>> RelativePositions(35, 3, channels=16)(torch.zeros(2, 4, 2)).shape       # 12 x 12 cells
    torch.Size([2, 4, 144, 16])
    """

    centres: Tensor

    def __init__(self, size: int, stride: int, channels: int, frequencies: int = 4) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.register_buffer("centres", cell_centres(size, stride), persistent=False)
        self.rows, self.columns = (nn.Linear(1 + 2 * frequencies, channels, bias=False) for _ in range(2))

    @property
    def grid(self) -> Float[Tensor, "cells 2"]:
        """The cells' own (row, column), from -1 to 1, row by row."""
        return torch.cartesian_prod(self.centres, self.centres)

    def forward(self, points: Float[Tensor, "batch slots 2"]) -> Float[Tensor, "batch slots cells channels"]:
        """The features of all cells, row by row, seen from each point (row, column), both from -1 to 1."""
        y, x = (fourier_features(self.centres - points[..., axis, None], self.frequencies) for axis in (0, 1))
        return (self.rows(y).unsqueeze(3) + self.columns(x).unsqueeze(2)).flatten(2, 3)
