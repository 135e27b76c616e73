"""From slots to a picture: each slot paints its own, and all are laid over each other."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.models.positions import fourier_positions


class SpatialBroadcastDecoder(nn.Module):
    r"""Each slot is broadcast over a grid of positions; what is painted at each is laid over the other slots' by a softmax of masks.

    .. math:: (c_{ip}, l_{ip}) = \mathrm{MLP}(W s_i + V \phi(p)), \quad m_{ip} = \mathrm{softmax}_i\, l_{ip}, \quad
              \hat x_p = \sum_i m_{ip} c_{ip}

    with the same weights at all positions and for all slots; a position stands for a patch of ``patch`` x ``patch`` pixels.

    Law: masks are permuted as the slots are, and the picture stays as it is; exact.

    Args:
        channels: size of a slot.
        size: side of the picture in pixels.
        patch: side of a patch.
        hidden: width of the MLP.
        frequencies: of the positions, see ``fourier_positions``.
        uniform: a slot paints in one colour, c_ip = c(s_i), and only its mask has a shape: for objects without texture, that
            keeps a slot from painting two of them.

    Raises:
        ValueError: a size that is not positive.

    Watters et al., "Spatial Broadcast Decoder" (2019); Locatello et al., "Object-Centric Learning with Slot Attention" (2020).

    >>> picture, masks = SpatialBroadcastDecoder(32, size=35)(torch.randn(2, 4, 32))
    >>> picture.shape, masks.shape                  # masks sum to one over the slots
    (torch.Size([2, 3, 35, 35]), torch.Size([2, 4, 35, 35]))
    """

    positions: Tensor

    def __init__(
        self,
        channels: int,
        size: int,
        *,
        patch: int = 3,
        hidden: int = 64,
        frequencies: int = 3,
        uniform: bool = False,
    ) -> None:
        super().__init__()
        if min(channels, size, patch, hidden) < 1:
            raise ValueError(
                f"positive channels, size, patch and hidden expected, got {channels}, {size}, {patch} and {hidden}"
            )
        self.size, self.patch, self.uniform = size, patch, uniform
        self.register_buffer("positions", fourier_positions(size, patch, frequencies), persistent=False)
        self.slot = nn.Linear(channels, hidden)
        self.position = nn.Linear(self.positions.shape[1], hidden, bias=False)
        planes = 1 if uniform else 4
        self.paint = nn.Sequential(
            nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, planes * patch**2)
        )
        self.colour = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, 3)) if uniform else None

    def forward(
        self, slots: Float[Tensor, "batch slots channels"]
    ) -> tuple[Float[Tensor, "batch 3 size size"], Float[Tensor, "batch slots size size"]]:
        """The picture, and the share of each slot in each pixel."""
        painted = self.paint(self.slot(slots).unsqueeze(2) + self.position(self.positions))
        planes = painted.unflatten(3, (-1, self.patch**2))  # batch, slots, positions, planes, pixels of a patch
        masks = planes[:, :, :, -1:].softmax(1)
        if self.colour is not None:
            picture = torch.einsum("bkc,bkpuq->bpcq", self.colour(slots), masks)
        else:
            picture = (masks * planes[:, :, :, :3]).sum(1)
        return self._assemble(picture), self._assemble(masks.transpose(1, 2).flatten(2, 3))

    def _assemble(self, patches: Float[Tensor, "batch positions planes pixels"]) -> Float[Tensor, "batch planes s s"]:
        """Patches side by side; what stands over the edge is cut."""
        batch, positions, planes, _ = patches.shape
        side, patch = round(positions**0.5), self.patch
        x = patches.reshape(batch, side, side, planes, patch, patch).permute(0, 3, 1, 4, 2, 5)
        return x.reshape(batch, planes, side * patch, side * patch)[..., : self.size, : self.size]
