"""Pictures of several objects, made on the spot: what a model of object discovery is trained and judged on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

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
        ValueError: more than three pieces, for which there may be no room, or a negative count.

    >>> scenes = tetrominoes(8, seed=0)
    >>> scenes.images.shape, scenes.labels.amax((1, 2)).tolist()
    (torch.Size([8, 3, 35, 35]), [3, 3, 3, 3, 3, 3, 3, 3])
    """
    if count < 0 or not 1 <= objects <= 3:
        raise ValueError(f"a count of scenes and 1 to 3 objects in each expected, got {count} and {objects}")
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
