"""The model's law, its parts, and a short training that finds something."""

import copy
from itertools import pairwise

import pytest
import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader, TensorDataset

from equishare.gallery import (
    ObjectDiscovery,
    ObjectDiscoveryModule,
    RelativeReadout,
    SpatialBroadcastDecoder,
    cell_centres,
)
from equishare.gallery.object_discovery import spread

QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def pictures(count=32, size=12):
    """Two squares of red and green, left and right, at random heights on black; and their labels."""
    labels = torch.zeros(count, size, size, dtype=torch.uint8)
    for picture in labels:
        for number, column in ((1, 1), (2, 7)):
            row = int(torch.randint(0, size - 4, ()))
            picture[row : row + 4, column : column + 4] = number
    images = torch.stack([labels == 1, labels == 2, torch.zeros_like(labels)], dim=1)
    return (255 * images).to(torch.uint8), labels


def assert_the_law(model, x, tolerance):
    slots = torch.randn(len(x), model.slot_attention.slots, model.slot_attention.channels, dtype=x.dtype)
    order = torch.randperm(slots.shape[1])
    found, turned = model(x, slots=slots), model(x, slots=slots[:, order])
    if model.slot_attention.initial_log_scale is not None:
        drawn, moved = model(x, noise=slots), model(x, noise=slots[:, order])
        assert torch.allclose(moved.masks, drawn.masks[:, order], rtol=0, atol=tolerance)
    assert torch.allclose(turned.reconstruction, found.reconstruction, rtol=0, atol=tolerance)
    for name in ("masks", "slots", "attention"):
        assert torch.allclose(getattr(turned, name), getattr(found, name)[:, order], rtol=0, atol=tolerance)
    assert torch.allclose(found.masks.sum(1), torch.ones_like(found.masks[:, 0]))


@pytest.mark.parametrize("initial", ["sampled", "learned"])
@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize(("size", "stride"), [(35, 3), (12, 1), (16, 2), (17, 4)])
def test_permuting_slots_permutes_masks_and_leaves_the_picture(size, stride, uniform, initial):
    model = ObjectDiscovery(3, size, stride=stride, width=8, channels=12, uniform=uniform, initial=initial).double()
    assert_the_law(model, torch.rand(2, 3, size, size, dtype=torch.float64), 1e-12)


def trained(steps):
    torch.manual_seed(2)
    images, labels = pictures()
    model = ObjectDiscovery(3, 12, width=16, channels=24, uniform=True)
    module = ObjectDiscoveryModule(model, steps=steps)
    loader = DataLoader(TensorDataset(images, labels), batch_size=16)
    before = float(model.loss(images / 255, compactness=0.0))
    trainer = Trainer(max_epochs=-1, **QUIET)
    trainer.fit(module, loader)
    return module, trainer, loader, images, before


def test_training_lowers_the_error_and_keeps_the_law():
    module, trainer, loader, images, before = trained(60)
    assert module.global_step == 60
    after = float(module.model.loss(images / 255, compactness=0.0))
    assert after < 0.7 * before
    assert_the_law(copy.deepcopy(module.model).double(), (images[:4] / 255).double(), 1e-11)
    result = trainer.validate(module, loader, verbose=False)
    assert -0.5 <= result[0]["ari"] <= 1


@pytest.mark.slow
def test_objects_are_found():
    module, trainer, loader, *_ = trained(1500)
    assert trainer.validate(module, loader, verbose=False)[0]["ari"] > 0.9


def test_the_rate_rises_then_falls():
    module = ObjectDiscoveryModule(ObjectDiscovery(2, 9), steps=100, warmup=0.1)
    rates = [module.rate(step / 100) for step in range(101)]
    assert max(rates) == pytest.approx(1, abs=0.05)
    assert rates.index(max(rates)) == pytest.approx(10, abs=1)
    assert rates[0] == pytest.approx(0.01)
    assert rates[-1] == pytest.approx(0.01)
    assert all(a >= b for a, b in pairwise(rates[11:]))


def test_a_budget_in_time_ends_the_training():
    images, labels = pictures(16)
    module = ObjectDiscoveryModule(ObjectDiscovery(2, 12, width=4, channels=8), seconds=0.2)
    Trainer(max_epochs=-1, **QUIET).fit(module, DataLoader(TensorDataset(images, labels), batch_size=8))
    assert module.progress >= 1


def test_cells_cover_the_picture():
    assert cell_centres(35, 5).tolist() == pytest.approx([2 * (5 * i + 2 - 17) / 35 for i in range(7)])
    assert float(cell_centres(35, 3)[-1]) < 1 < float(cell_centres(35, 3)[-1]) + 3 / 35


def test_the_slots_see_where_the_pixels_are():
    """The window of a cell is about its middle: a lit pixel moves the features of the cells near it, and of no others."""
    model = ObjectDiscovery(2, 35, stride=3)
    model.encoder = model.encoder[:1]
    dark, lit = torch.zeros(1, 3, 35, 35), torch.zeros(1, 3, 35, 35)
    lit[0, :, 16, 7] = 1  # the middle of cell (5, 2)
    pad = torch.nn.functional.pad
    moved = (model.encoder(pad(lit, model.border)) - model.encoder(pad(dark, model.border))).abs().sum((0, 1)) > 0
    assert moved.shape == (12, 12)
    assert set(map(tuple, moved.nonzero().tolist())) == {(i, j) for i in (4, 5, 6) for j in (1, 2, 3)}


def test_a_shape_is_read_the_same_wherever_it_is():
    readout = RelativeReadout(8, 36, 3).double()
    attention, features = torch.rand(4, 4, dtype=torch.float64), torch.randn(4, 4, 8, dtype=torch.float64)

    def at(row, column):
        a, h = torch.zeros(12, 12, dtype=torch.float64), torch.randn(12, 12, 8, dtype=torch.float64)
        a[row : row + 4, column : column + 4], h[row : row + 4, column : column + 4] = attention, features
        return readout(h.reshape(1, 144, 8), a.reshape(1, 1, 144))

    (first, start), (second, end) = at(1, 2), at(7, 5)
    assert torch.allclose(first, second, rtol=0, atol=1e-6)  # the grid itself is of single precision
    assert torch.allclose(end - start, torch.tensor([6, 3], dtype=torch.float64) * 6 / 36, rtol=0, atol=1e-6)


def test_patches_are_assembled_in_place():
    decoder = SpatialBroadcastDecoder(4, 7, patch=3)
    cells = torch.arange(9.0)[None, :, None, None].expand(1, 9, 2, 9)
    painted = decoder._assemble(cells)
    assert painted.shape == (1, 2, 7, 7)
    assert torch.equal(painted[0, 0, ::3, ::3], torch.arange(9.0).reshape(3, 3))
    pixel = decoder._assemble(torch.arange(9.0).expand(1, 9, 1, 9))
    assert torch.equal(pixel[0, 0, :3, :3], torch.arange(9.0).reshape(3, 3))


def test_spread_is_invariant_and_leaves_out_the_widest_slot():
    attention, positions = torch.rand(2, 4, 9).softmax(1).double(), torch.rand(9, 2).double()
    expected = spread(attention, positions)
    slots, cells = torch.randperm(4), torch.randperm(9)
    assert torch.allclose(spread(attention[:, slots][:, :, cells], positions[cells]), expected, rtol=1e-12)
    assert float(spread(torch.eye(1, 9).double()[None].expand(1, 2, 9), positions)) == pytest.approx(0, abs=1e-12)
    assert float(spread(torch.ones(1, 1, 9).double(), positions)) == 0  # one slot, and it is the widest
    weights = attention / attention.sum(2, keepdim=True)
    centre = weights @ positions
    each = (attention * (positions - centre.unsqueeze(2)).square().sum(3)).sum(2) / 9
    assert torch.allclose(expected, (each.sum(1) - each.amax(1)).mean(), rtol=1e-10)
    logits = attention.log().requires_grad_()
    spread(logits.softmax(1), positions).backward()
    widest = each.argmax(1)
    assert float(logits.grad[torch.arange(2), widest].abs().max()) < 1e-12  # no cell moves to the background or from it
    assert float(logits.grad.abs().max()) > 1e-6


def test_a_uniform_slot_paints_in_one_colour():
    decoder = SpatialBroadcastDecoder(8, 9, uniform=True)
    slots = torch.randn(1, 3, 8)
    picture, masks, colours = decoder(slots, torch.zeros(1, 3, 2))
    assert torch.allclose(picture[0], torch.einsum("kc,kyx->cyx", colours[0], masks[0]), atol=1e-6)
    textured, _, _ = SpatialBroadcastDecoder(8, 9)(slots, torch.zeros(1, 3, 2))
    assert textured.shape == picture.shape


def test_errors(unchecked):
    with pytest.raises(ValueError, match=r"\[batch, 3, 9, 9\]"):
        ObjectDiscovery(2, 9)(torch.rand(1, 3, 8, 8))
    with pytest.raises(ValueError, match="positive"):
        ObjectDiscovery(2, 0)
    with pytest.raises(ValueError, match="positive"):
        SpatialBroadcastDecoder(4, 9, patch=0)
    for budget in ({}, {"steps": 3, "seconds": 1.0}, {"steps": 0}):
        with pytest.raises(ValueError, match="budget"):
            ObjectDiscoveryModule(ObjectDiscovery(2, 9), **budget)
