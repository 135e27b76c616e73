"""Pictures of several objects, made on the spot: what a model of object discovery is trained and judged on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from equishare.errors import EquishareError

SIZE = 35
CELL = 5

# cells (row, column) of one orientation of each piece
_PIECES = (
    ((0, 0), (0, 1), (0, 2), (0, 3)),
    ((0, 0), (0, 1), (1, 0), (1, 1)),
    ((0, 0), (0, 1), (0, 2), (1, 1)),
    ((0, 0), (0, 1), (0, 2), (1, 0)),
    ((0, 0), (0, 1), (0, 2), (1, 2)),
    ((0, 1), (0, 2), (1, 0), (1, 1)),
    ((0, 0), (0, 1), (1, 1), (1, 2)),
)
# red, green, blue, yellow, magenta, cyan
_COLOURS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1))


@dataclass(frozen=True, eq=False)
class Scenes:
    """Pictures and what is in them.

    Attributes:
        images: [scenes, 3, size, size], bytes.
        labels: [scenes, size, size], bytes: 0 where the background is seen, else the number of the object seen there.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """Number of scenes."""
        return len(self.images)


def tetrominoes(count: int, seed: int, objects: int = 3) -> Scenes:
    """Tetrominoes in six colours on black, 35 x 35 pixels, in any of 19 orientations and at any pixel; none overlaps another.

    After the Tetrominoes of Kabra et al., "Multi-Object Datasets" (2019). Pieces may touch, also pieces of one colour.

    Args:
        count: number of scenes.
        seed: the same one gives the same scenes.
        objects: pieces in a scene.

    Raises:
        EquishareError: more than three pieces, for which there may be no room, or a negative count.

    >>> scenes = tetrominoes(8, seed=0)
    >>> scenes.images.shape, scenes.labels.amax((1, 2)).tolist()
    (torch.Size([8, 3, 35, 35]), [3, 3, 3, 3, 3, 3, 3, 3])
    """
    if count < 0 or not 1 <= objects <= 3:
        raise EquishareError(f"a count of scenes and 1 to 3 objects in each expected, got {count} and {objects}")
    rng = torch.Generator().manual_seed(seed)
    shapes = _orientations()
    found = [torch.empty(0, objects, 4, 2, dtype=torch.long)]
    while sum(map(len, found)) < count:
        shape = shapes[torch.randint(len(shapes), (4096, objects), generator=rng)]
        room = SIZE + 1 - CELL * (shape.amax(2) + 1)
        corner = (torch.rand(4096, objects, 2, generator=rng) * room).long()
        cells = CELL * shape + corner.unsqueeze(2)
        found.append(cells[~_overlap(cells)])
    cells = torch.cat(found)[:count]
    labels = torch.zeros(count, SIZE * SIZE, dtype=torch.uint8)
    side = torch.arange(CELL)
    for number in range(objects):
        row, column = (cells[:, number, :, axis, None, None] for axis in (0, 1))
        index = (row + side[:, None]) * SIZE + column + side
        labels.scatter_(1, index.flatten(1), number + 1)
    labels = labels.reshape(count, SIZE, SIZE)
    colours = 255 * torch.tensor(_COLOURS, dtype=torch.uint8)[torch.randint(6, (count, objects), generator=rng)]
    return Scenes(_paint(labels, colours, torch.zeros(count, 3, dtype=torch.uint8)), labels)


def sprites(count: int, seed: int, objects: int = 3) -> Scenes:
    """Squares, ovals and triangles of any hue on grey, 35 x 35 pixels, turned, scaled and put anywhere: later ones hide earlier ones.

    After the Multi-dSprites of Kabra et al., "Multi-Object Datasets" (2019). Half sides go from 4 to 8 pixels. An object may be hidden as a
    whole; then its number is absent from the labels.

    Args:
        count: number of scenes.
        seed: the same one gives the same scenes.
        objects: sprites in a scene.

    Raises:
        EquishareError: fewer than one sprite, or a negative count.

    >>> scenes = sprites(8, seed=0, objects=4)
    >>> scenes.images.dtype, int(scenes.labels.max())
    (torch.uint8, 4)
    """
    if count < 0 or objects < 1:
        raise EquishareError(f"a count of scenes and 1 or more objects in each expected, got {count} and {objects}")
    rng = torch.Generator().manual_seed(seed)

    def draw(low: float, high: float, *size: int) -> Tensor:
        return low + (high - low) * torch.rand(count, objects, *size, generator=rng)

    kind = torch.randint(3, (count, objects), generator=rng)
    centre, half, angle = draw(5.0, SIZE - 6.0, 2), draw(4.0, 8.0), draw(0.0, 2 * math.pi)
    hue, value = draw(0.0, 6.0), draw(0.5, 1.0)
    step = torch.arange(SIZE, dtype=torch.float32)
    labels = torch.zeros(count, SIZE, SIZE, dtype=torch.uint8)
    for number in range(objects):
        y = step[:, None] - centre[:, number, 0, None, None]
        x = step - centre[:, number, 1, None, None]
        cos, sin = angle[:, number, None, None].cos(), angle[:, number, None, None].sin()
        u, v = (f / half[:, number, None, None] for f in (cos * x + sin * y, cos * y - sin * x))
        inside = torch.stack(
            [
                torch.maximum(u.abs(), v.abs()) < 0.85,
                u.square() + (v / 0.65).square() < 1,
                (v > -0.6) & (v + math.sqrt(3) * u.abs() < 1.2),
            ],
            dim=1,
        )
        labels[inside[torch.arange(count), kind[:, number]]] = number + 1
    offset = torch.tensor([5.0, 3.0, 1.0])
    wheel = (hue.unsqueeze(2) + offset) % 6  # hue to red, green and blue at full saturation
    colour = value.unsqueeze(2) * (1 - torch.minimum(wheel, 4 - wheel).clamp(0, 1))
    grey = 0.5 * torch.rand(count, 1, generator=rng).expand(-1, 3)
    return Scenes(_paint(labels, _to_bytes(colour), _to_bytes(grey)), labels)


def _to_bytes(colour: Tensor) -> Tensor:
    return (255 * colour).round().to(torch.uint8)


def _orientations() -> Tensor:
    """Cells [19, 4, 2] of the pieces, each in the corner of its box."""
    found = set()
    for piece in _PIECES:
        cells = torch.tensor(piece)
        for _ in range(4):
            cells = torch.stack([cells[:, 1], -cells[:, 0]], dim=1)
            cells = cells - cells.amin(0)
            found.add(tuple(sorted(map(tuple, cells.tolist()))))
    return torch.tensor(sorted(found))


def _overlap(cells: Tensor) -> Tensor:
    """Scenes in which cells of two pieces share pixels."""
    objects = cells.shape[1]
    flat = cells.flatten(1, 2)
    near = ((flat.unsqueeze(1) - flat.unsqueeze(2)).abs() < CELL).all(3)
    piece = torch.arange(objects).repeat_interleave(4)
    return (near & (piece[:, None] != piece)).any(2).any(1)


def _paint(labels: Tensor, colours: Tensor, background: Tensor) -> Tensor:
    """Images in the colours of the labels."""
    palette = torch.cat([background.unsqueeze(1), colours], dim=1)
    index = labels.flatten(1).long().unsqueeze(2).expand(-1, -1, 3)
    return torch.gather(palette, 1, index).mT.reshape(-1, 3, *labels.shape[1:]).contiguous()
