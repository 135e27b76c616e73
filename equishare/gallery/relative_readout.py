"""The shape of what a slot holds, wherever it is."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.gallery.relative_positions import RelativePositions


class RelativeReadout(nn.Module):
    r"""A slot's mean over its own cells of features that see each cell's position from the middle of them all.

    .. math:: c_i = \sum_p w_{ip}\, p, \quad
              r_i = \mathrm{MLP}\Big(\sum_p w_{ip}\, \mathrm{ReLU}(W h_p + V \phi(p - c_i))\Big), \quad
              w_{ip} = A_{ip} \Big/ \sum_q A_{iq}

    The mean of phi(p - c_i) over a shape is its Fourier transform about its centre: a slot need not learn what a shape is at each place anew.

    Law: r and c are permuted as the slots are, exactly; a shift of attention and cells within the grid moves c with it, and leaves r as it is.

    Args:
        channels: of a cell's features, and of r.
        size: side of the picture in pixels.
        stride: side of a cell in pixels.
        hidden: width of the MLP.

    The frame of reference of Biza et al., "Invariant Slot Attention" (2023), applied once, after the attention.

    >>> shape, centre = RelativeReadout(32, 35, 3)(torch.randn(2, 144, 32), torch.rand(2, 4, 144))
    >>> shape.shape, centre.shape
    (torch.Size([2, 4, 32]), torch.Size([2, 4, 2]))
    """

    def __init__(self, channels: int, size: int, stride: int, hidden: int = 128) -> None:
        super().__init__()
        self.positions = RelativePositions(size, stride, hidden)
        self.cell = nn.Linear(channels, hidden)
        self.mlp = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(
        self, cells: Float[Tensor, "batch cells channels"], attention: Float[Tensor, "batch slots cells"]
    ) -> tuple[Float[Tensor, "batch slots channels"], Float[Tensor, "batch slots 2"]]:
        """Shapes r and centres c, as (row, column) from -1 to 1."""
        weights = attention / attention.sum(2, keepdim=True).clamp_min(1e-6)
        centres = weights @ self.positions.grid
        seen = torch.relu(self.positions(centres) + self.cell(cells).unsqueeze(1))
        return self.mlp((weights.unsqueeze(2) @ seen).squeeze(2)), centres
