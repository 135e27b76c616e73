"""Where the cells of a grid are, in numbers that a linear map can use."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def fourier_positions(size: int, stride: int, frequencies: int) -> Float[Tensor, "cells features"]:
    r"""The coordinates x, y of the cells of a picture, with the sines and cosines of :math:`2^k \pi x / 2`, k below ``frequencies``.

    Cells are ``stride`` pixels wide and cover ``size`` pixels from the first on, row by row; x goes from -1 to 1 over the picture.

    >>> fourier_positions(35, stride=3, frequencies=2).shape     # 12 x 12 cells, 2 (1 + 2 * 2) numbers
    torch.Size([144, 10])
    """
    centre = torch.arange(0, size, stride) + (stride - 1) / 2
    x = (2 * centre - (size - 1)) / size
    phase = x.unsqueeze(1) * (math.pi / 2 * 2.0 ** torch.arange(frequencies))
    line = torch.cat([x.unsqueeze(1), phase.sin(), phase.cos()], dim=1)
    rows, columns = line.repeat_interleave(len(line), 0), line.repeat(len(line), 1)
    return torch.cat([rows, columns], dim=1)
