"""A model that finds the objects of pictures without being told of any."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from equishare.errors import EquishareError
from equishare.gallery.relative_positions import cell_centres, fourier_features
from equishare.gallery.relative_readout import RelativeReadout
from equishare.gallery.spatial_broadcast import SpatialBroadcastDecoder
from equishare.nn.sets.slot_attention import SlotAttention


class Discovery(NamedTuple):
    """What the model makes of pictures.

    Attributes:
        reconstruction: [batch, 3, size, size], the pictures painted anew.
        masks: [batch, slots, size, size], the share of each slot in each pixel; they sum to one over the slots.
        slots: [batch, slots, channels].
        attention: [batch, slots, cells], where each slot looked.
        sketch: [batch, 3, cells], the cells painted by the attention alone, in one colour a slot.
    """

    reconstruction: Tensor
    masks: Tensor
    slots: Tensor
    attention: Tensor
    sketch: Tensor


class _MatrixConv2d(nn.Module):
    """A convolution whose weight is a matrix [out, in * kernel * kernel]: as such, optimisers that turn matrices take it."""

    def __init__(self, channels: int, out_channels: int, kernel: int, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        drawn = nn.Conv2d(channels, out_channels, kernel)
        self.weight, self.bias = nn.Parameter(drawn.weight.detach().flatten(1)), drawn.bias
        self.window, self.stride, self.padding = (channels, kernel, kernel), stride, padding

    def forward(self, x: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch out_channels oh ow"]:
        weight = self.weight.unflatten(1, self.window).contiguous(memory_format=torch.channels_last)
        return functional.conv2d(x, weight, self.bias, self.stride, self.padding)


class ObjectDiscovery(nn.Module):
    r"""Encoder with positions, slot attention, spatial-broadcast decoder: pictures in, pictures and a mask for each slot out.

    .. math:: h = \mathrm{MLP}(\mathrm{CNN}(x) + V \phi) + U \phi, \quad (s, A) = \mathrm{SlotAttention}(h), \quad
              (r, c) = \mathrm{RelativeReadout}(h, A), \quad (\hat x, m) = \mathrm{Decoder}(s + r, c)

    with the positions phi a second time past the MLP: a slot can then hold its centre, and ask for what is near it.

    Law: a permutation of the initial slots permutes slots, attention and masks, and leaves the reconstruction as it is; exact.

    Args:
        slots: at least one more than there are objects: one takes the background.
        size: side of the pictures in pixels.
        channels: size of a slot.
        width: channels of the CNN.
        stride: side in pixels of the cells that slots look at, and of the decoder's patches.
        iterations: of the slot attention.
        initial: initial slots, see ``SlotAttention``.
        neumann_terms: iterations that are differentiated through, see ``SlotAttention``.
        uniform: a slot paints in one colour, see ``SpatialBroadcastDecoder``.

    Raises:
        EquishareError: a size that is not positive.

    Locatello et al., "Object-Centric Learning with Slot Attention" (2020), with cells and patches in place of single pixels, so that a picture
    costs some ten million multiplications, and the read-out of ``RelativeReadout``.

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
        initial: Literal["sampled", "learned"] = "learned",
        neumann_terms: int | None = None,
        uniform: bool = True,
    ) -> None:
        super().__init__()
        if min(size, width, stride) < 1:
            raise EquishareError(f"positive size, width and stride expected, got {size}, {width} and {stride}")
        self.size, self.stride = size, stride
        line = fourier_features(cell_centres(size, stride), frequencies=2)
        cells = len(line)
        grid = torch.cat([line.repeat_interleave(cells, 0), line.repeat(cells, 1)], dim=1)
        self.register_buffer("positions", grid, persistent=False)
        # windows of 2 stride + 1 pixels about the middles of the cells
        before = (stride + 1) // 2
        self.border = (before, (cells + 1) * stride + 1 - size - before) * 2
        self.encoder = nn.Sequential(
            _MatrixConv2d(3, width, 2 * stride + 1, stride),
            nn.ReLU(),
            _MatrixConv2d(width, width, 3, padding=1),
            nn.ReLU(),
            _MatrixConv2d(width, width, 3, padding=1),
            nn.ReLU(),
        )
        self.position = nn.Linear(self.positions.shape[1], width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, channels), nn.ReLU(), nn.Linear(channels, channels)
        )
        self.place = nn.Linear(self.positions.shape[1], channels, bias=False)
        self.slot_attention = SlotAttention(
            channels,
            channels,
            slots,
            iterations=iterations,
            initial=initial,
            neumann_terms=neumann_terms,
        )
        self.readout = RelativeReadout(channels, size, stride)
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
            EquishareError: pictures of another size.
        """
        if images.ndim != 4 or images.shape[1:] != (3, self.size, self.size):
            raise EquishareError(f"images [batch, 3, {self.size}, {self.size}] expected, got {list(images.shape)}")
        framed = functional.pad(images.contiguous(memory_format=torch.channels_last), self.border)
        features = self.encoder(framed).permute(0, 2, 3, 1).flatten(1, 2)
        cells = self.mlp(features + self.position(self.positions)) + self.place(self.positions)
        found, attention = self.slot_attention(cells, slots=slots, noise=noise)
        shape, centres = self.readout(cells, attention)
        reconstruction, masks, colours = self.decoder(found + shape, centres)
        return Discovery(reconstruction, masks, found, attention, colours.mT @ attention)

    def loss(
        self, images: Float[Tensor, "batch 3 size size"], sketch: float = 1.0, compactness: float = 2.0
    ) -> Float[Tensor, ""]:
        """Mean square of what the reconstruction misses, and two weighted terms on the attention.

        Both reach the attention without the decoder between, and make the slots part within some hundred steps where the reconstruction
        alone takes thousands. The sketch is to match the means of the cells: a slot looks at one colour. And slots are to be compact,
        see ``spread``: objects of one colour go to slots of their own. From the start that would be least with one slot for all: let the
        weight grow once the slots have parted, as ``ObjectDiscoveryModule`` does.
        """
        found = self(images)
        side = round(found.sketch.shape[2] ** 0.5)
        over = side * self.stride - self.size
        means = functional.avg_pool2d(functional.pad(images, (0, over, 0, over)), self.stride)
        error = functional.mse_loss(found.reconstruction, images)
        error = error + sketch * functional.mse_loss(found.sketch, means.flatten(2))
        return error + compactness * spread(found.attention, self.readout.positions.grid)


def spread(attention: Float[Tensor, "batch slots cells"], positions: Float[Tensor, "cells 2"]) -> Float[Tensor, ""]:
    r"""Mean square distance of cells from the centre of their slot, leaving out the slot of each picture that adds most to it.

    .. math:: V_i = \frac1n \sum_p A_{ip} |p - c_i|^2, \quad c_i = \sum_p A_{ip}\, p \Big/ \sum_p A_{ip}, \quad
              \sum_i V_i - \max_i V_i

    The one left out is the background's. The gradient moves cells among the other slots only: what a cell gives to the background is held fixed,
    or giving it all would be least. Law: invariant under permutations of slots and of cells, exactly.

    >>> apart = torch.tensor([[[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]])
    >>> line = torch.tensor([[0.0, 0.0], [0.0, 0.2], [0.0, 0.6], [0.0, 1.0]])
    >>> spread(apart, line)              # 2 * 0.1^2 / 4; the second slot spreads more
    tensor(0.0050)
    """
    widest = _second_moments(attention.detach(), positions).argmax(1)
    others = attention * (1 - functional.one_hot(widest, attention.shape[1]).to(attention)).unsqueeze(2)
    total = others.sum(1, keepdim=True)
    share = others / total.clamp_min(1e-6) * total.detach()
    return _second_moments(share, positions).sum(1).mean()


def _second_moments(attention: Tensor, positions: Tensor) -> Tensor:
    """V of each slot: [batch, slots]."""
    mass = attention.sum(2)
    centre = (attention @ positions) / mass.unsqueeze(2).clamp_min(1e-6)
    second = attention @ positions.square().sum(1)
    return (second - mass * centre.square().sum(2)) / attention.shape[2]
