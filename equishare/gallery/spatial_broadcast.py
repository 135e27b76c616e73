"""From slots to a picture: each slot paints its own, and all are laid over each other."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.errors import EquishareError
from equishare.gallery.relative_positions import RelativePositions


class SpatialBroadcastDecoder(nn.Module):
    r"""Each slot is broadcast over a grid of positions; what it paints there is laid over the other slots' by a softmax of masks.

    .. math:: (l_{ip}, d_{ip}) = \mathrm{MLP}(W s_i + V \phi(p - c_i)), \quad m_{ip} = \mathrm{softmax}_i\, l_{ip}, \quad
              \hat x_p = \sum_i m_{ip} (\mathrm{colour}(s_i) + d_{ip})

    with the same weights at all positions and for all slots, and the position p of a patch of ``patch`` x ``patch`` pixels seen from the slot's
    own point c_i. With ``uniform`` a slot paints in its one colour, d = 0, and only its mask has a shape.

    Law: masks are permuted as the slots are, and the picture stays as it is; exact.

    Args:
        channels: size of a slot.
        size: side of the picture in pixels.
        patch: side of a patch.
        hidden: width of the MLP.
        uniform: one colour a slot: for objects without texture, that keeps a slot from painting two of them.

    Raises:
        EquishareError: a size that is not positive.

    Watters et al., "Spatial Broadcast Decoder" (2019), as in Locatello et al., "Object-Centric Learning with Slot Attention" (2020);
    positions relative to the slot after Biza et al., "Invariant Slot Attention" (2023).

    >>> picture, masks, colours = SpatialBroadcastDecoder(32, size=35)(torch.randn(2, 4, 32), torch.zeros(2, 4, 2))
    >>> picture.shape, masks.shape, colours.shape                  # masks sum to one over the slots
    (torch.Size([2, 3, 35, 35]), torch.Size([2, 4, 35, 35]), torch.Size([2, 4, 3]))
    """

    def __init__(self, channels: int, size: int, *, patch: int = 3, hidden: int = 64, uniform: bool = False) -> None:
        super().__init__()
        if min(channels, size, patch, hidden) < 1:
            raise EquishareError(
                f"positive channels, size, patch and hidden expected, got {channels}, {size}, {patch} and {hidden}"
            )
        self.size, self.patch = size, patch
        self.positions = RelativePositions(size, patch, hidden)
        self.slot = nn.Linear(channels, hidden)
        planes = 1 if uniform else 4
        self.paint = nn.Sequential(
            nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, planes * patch**2)
        )
        self.colour = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, 3))

    def forward(
        self, slots: Float[Tensor, "batch slots channels"], points: Float[Tensor, "batch slots 2"]
    ) -> tuple[
        Float[Tensor, "batch 3 size size"], Float[Tensor, "batch slots size size"], Float[Tensor, "batch slots 3"]
    ]:
        """The picture, the share of each slot in each pixel, and its colour; points are (row, column), from -1 to 1."""
        painted = self.paint(self.positions(points) + self.slot(slots).unsqueeze(2))
        planes = painted.unflatten(3, (-1, self.patch**2))  # batch, slots, positions, planes, pixels of a patch
        masks = planes[..., -1, :].softmax(1)
        colours = self.colour(slots)
        picture = torch.einsum("bkc,bkpq->bpcq", colours, masks)
        if planes.shape[3] > 1:
            picture = picture + (masks.unsqueeze(3) * planes[..., :3, :]).sum(1)
        return self._assemble(picture), self._assemble(masks.transpose(1, 2)), colours

    def _assemble(self, patches: Float[Tensor, "batch positions planes pixels"]) -> Float[Tensor, "batch planes s s"]:
        """Patches side by side; what stands over the edge is cut."""
        batch, positions, planes, _ = patches.shape
        side, patch = round(positions**0.5), self.patch
        x = patches.reshape(batch, side, side, planes, patch, patch).permute(0, 3, 1, 4, 2, 5)
        return x.reshape(batch, planes, side * patch, side * patch)[..., : self.size, : self.size]
