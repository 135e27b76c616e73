"""The scenes are what they claim to be."""

import pytest
import torch
from scipy.ndimage import label

from equishare.gallery.scenes import CELL, sprites, tetrominoes


@pytest.mark.parametrize("make", [tetrominoes, sprites])
def test_a_seed_gives_the_same_scenes_and_others_give_others(make):
    first, second, other = make(6, seed=1), make(6, seed=1), make(6, seed=2)
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.labels, second.labels)
    assert not torch.equal(first.images, other.images)
    assert first.images.shape == (6, 3, 35, 35)
    assert len(first) == 6
    assert first.images.dtype == first.labels.dtype == torch.uint8


@pytest.mark.parametrize("make", [tetrominoes, sprites])
def test_the_colour_is_that_of_the_label(make):
    scenes = make(20, seed=0)
    for image, labels in zip(scenes.images, scenes.labels, strict=True):
        for number in labels.unique():
            assert len(image[:, labels == number].unique(dim=1).T) == 1


def test_tetrominoes_are_four_connected_cells_in_19_orientations():
    found = set()
    for labels in tetrominoes(400, seed=3).labels:
        for number in (1, 2, 3):
            mask = labels == number
            assert int(mask.sum()) == 4 * CELL**2
            assert label(mask.numpy())[1] == 1
            rows, columns = mask.nonzero().T
            box = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            cells = box[::CELL, ::CELL]
            assert torch.equal(box, cells.repeat_interleave(CELL, 0).repeat_interleave(CELL, 1))
            found.add(tuple(map(tuple, cells.tolist())))
    assert len(found) == 19


def test_tetrominoes_stand_at_every_pixel_and_in_six_colours():
    scenes = tetrominoes(2000, seed=4)
    assert (scenes.labels > 0).any(0).all()
    colours = scenes.images.transpose(0, 1)[:, scenes.labels > 0].unique(dim=1)
    assert colours.shape[1] == 6


def test_sprites_hide_each_other_and_stay_on_top_in_order():
    scenes = sprites(200, seed=5, objects=4)
    area = torch.stack([(scenes.labels == number).sum((1, 2)).double().mean() for number in (1, 2, 3, 4)])
    assert (area[:-1] < area[1:]).all()  # the last is never hidden
    assert float(area[0] / area[3]) < 0.8


def test_errors():
    with pytest.raises(ValueError, match="1 to 3"):
        tetrominoes(1, seed=0, objects=4)
    with pytest.raises(ValueError, match="1 or more"):
        sprites(1, seed=0, objects=0)
