"""A model that finds the objects of pictures without being told of any."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from equishare.models.positions import fourier_positions
from equishare.models.spatial_broadcast import SpatialBroadcastDecoder
from equishare.nn.sets.slot_attention import SlotAttention


class Discovery(NamedTuple):
    """What the model makes of pictures.

    Attributes:
        reconstruction: [batch, 3, size, size], the pictures painted anew.
        masks: [batch, slots, size, size], the share of each slot in each pixel; they sum to one over the slots.
        slots: [batch, slots, channels].
        attention: [batch, slots, cells], where each slot looked.
    """

    reconstruction: Tensor
    masks: Tensor
    slots: Tensor
    attention: Tensor


class ObjectDiscovery(nn.Module):
    r"""Encoder with positions, slot attention, spatial-broadcast decoder: pictures in, pictures and a mask for each slot out.

    .. math:: x \mapsto h = \mathrm{MLP}(\mathrm{CNN}(x) + V \phi) \mapsto s = \mathrm{SlotAttention}(h) \mapsto (\hat x, m) =
              \mathrm{Decoder}(s)

    trained on the mean of :math:`|\hat x - x|^2` alone. Law: a permutation of the initial slots permutes slots and masks, and leaves the
    reconstruction as it is; exact.

    Args:
        slots: at least one more than there are objects: one takes the background.
        size: side of the pictures in pixels.
        channels: size of a slot.
        width: channels of the CNN.
        stride: pixels between two cells that the slots see, and side of the decoder's patches.
        iterations: of the slot attention.
        initial: initial slots, see ``SlotAttention``.
        neumann_terms: iterations that are differentiated through, see ``SlotAttention``.
        uniform: each slot paints in one colour, see ``SpatialBroadcastDecoder``.

    Raises:
        ValueError: a size that is not positive.

    Locatello et al., "Object-Centric Learning with Slot Attention" (2020), with the stride of its encoder for larger pictures, and a decoder that
    paints patches, so that a picture costs some ten million multiplications.

    >>> model = ObjectDiscovery(slots=4)
    >>> found = model(torch.rand(2, 3, 35, 35))
    >>> found.reconstruction.shape, found.masks.shape
    (torch.Size([2, 3, 35, 35]), torch.Size([2, 4, 35, 35]))
    """

    positions: Tensor

    def __init__(
        self,
        slots: int,
        size: int = 35,
        *,
        channels: int = 64,
        width: int = 32,
        stride: int = 3,
        iterations: int = 3,
        initial: Literal["sampled", "learned"] = "sampled",
        neumann_terms: int | None = None,
        uniform: bool = False,
    ) -> None:
        super().__init__()
        if min(size, width, stride) < 1:
            raise ValueError(f"positive size, width and stride expected, got {size}, {width} and {stride}")
        self.size = size
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, 2 * stride + 1, stride, padding=stride),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
        ).to(memory_format=torch.channels_last)
        self.register_buffer("positions", fourier_positions(size, stride, frequencies=2), persistent=False)
        self.position = nn.Linear(self.positions.shape[1], width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, channels), nn.ReLU(), nn.Linear(channels, channels)
        )
        self.slot_attention = SlotAttention(
            channels, channels, slots, iterations=iterations, initial=initial, neumann_terms=neumann_terms
        )
        self.decoder = SpatialBroadcastDecoder(channels, size, patch=stride, uniform=uniform)

    def forward(
        self,
        images: Float[Tensor, "batch 3 size size"],
        *,
        slots: Float[Tensor, "batch slots channels"] | None = None,
        noise: Float[Tensor, "batch slots channels"] | None = None,
    ) -> Discovery:
        """Find the objects of pictures with colours in [0, 1]; slots and noise as in ``SlotAttention``.

        Raises:
            ValueError: pictures of another size.
        """
        if images.ndim != 4 or images.shape[1:] != (3, self.size, self.size):
            raise ValueError(f"images [batch, 3, {self.size}, {self.size}] expected, got {list(images.shape)}")
        features = self.encoder(images.contiguous(memory_format=torch.channels_last))
        cells = features.permute(0, 2, 3, 1).flatten(1, 2) + self.position(self.positions)
        found, attention = self.slot_attention(self.mlp(cells), slots=slots, noise=noise)
        return Discovery(*self.decoder(found), found, attention)

    def loss(self, images: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, ""]:
        """Mean square of what the reconstruction misses."""
        return functional.mse_loss(self(images).reconstruction, images)
