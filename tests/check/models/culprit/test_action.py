import pytest
import torch

from equishare.check.models.culprit.action import residual
from equishare.check.models.symmetry.cartesian import Cartesian
from equishare.check.models.symmetry.element import Element
from equishare.check.models.symmetry.factors import permutation, planar, rotation, shift, translation
from equishare.check.models.symmetry.image import Image
from equishare.check.models.symmetry.irreps import Irreps
from equishare.check.models.symmetry.symmetry import Setting
from equishare.groups import so3

N, FLOOR = 12, 1e-12
SETTING = Setting({"atoms": N})
ROTATION = Element(orthogonal=so3().random(torch.Generator().manual_seed(0)))


def frames(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator, dtype=torch.float64) for _ in range(4)]


def rotated(before):
    irreps = Irreps("5x0e+5x1o+3x2e")
    return [irreps.apply(b, ROTATION) for b in before]


def score(before, after, factor=None, g=ROTATION, setting=SETTING):
    return residual(before, after, factor or rotation(), g, setting, FLOOR)


def test_irreps_in_any_layout_carry_an_action():
    before = frames(N, 35)
    order = torch.randperm(35, generator=torch.Generator().manual_seed(3))
    mixed = torch.linalg.qr(torch.randn(35, 35, dtype=torch.float64))[0]
    after = rotated(before)
    assert score(before, after) < 1e-13
    assert score([b[:, order] for b in before], [a[:, order] for a in after]) < 1e-13
    assert score([b @ mixed for b in before], [a @ mixed for a in after]) < 1e-13
    assert score([b.T for b in before], [a.T for a in after]) < 1e-13


@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-6])
def test_a_bias_on_vectors_does_not(size):
    before = frames(N, 35)
    bias = torch.zeros(35, dtype=torch.float64)
    bias[5:20] = size
    broken = score([b + bias for b in before], [a + bias for a in rotated(before)])
    assert 0.01 * size < broken < 100 * size


def test_a_constant_feature_does_not_absorb_the_bias():
    before = frames(N, 3)
    one = torch.ones(N, 1, dtype=torch.float64)
    with_bias = [torch.cat([b + 0.1, one], -1) for b in before]
    after = [torch.cat([Cartesian(1).apply(b, ROTATION) + 0.1, one], -1) for b in before]
    assert score(with_bias, after) > 1e-3


def test_small_vectors_beside_large_scalars_are_seen():
    before = frames(N, 35)
    scale = torch.ones(35, dtype=torch.float64)
    scale[:5] = 1e4
    bias = torch.zeros(35, dtype=torch.float64)
    bias[5:20] = 1e-3
    broken = score([b * scale + bias for b in before], [a * scale + bias for a in rotated(before)])
    assert broken > 1e-5


def test_rows_in_an_order_of_the_models_own():
    before = frames(30, 7)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    after = [Irreps("1x0e+2x1o").apply(b, ROTATION)[order] for b in before]
    assert score(before, after) < 1e-12
    assert score(before, [a + 0.01 for a in after]) > 1e-4


def test_permutations_must_permute():
    g = permutation().element(0, SETTING)
    order = g.permutations["atoms"]
    before = frames(N, 4)
    assert score(before, [b[order] for b in before], permutation(), g) == 0
    assert score(before, [b.flip(0) for b in before], permutation(), g) > 0.1
    pairs = frames(N, N)
    assert score(pairs, [p[order][:, order] for p in pairs], permutation(), g) == 0
    flat = [b.flatten() for b in before]
    assert score(flat, [b[order].flatten() for b in before], permutation(), g) < 1e-12


def test_translations_leave_or_move():
    g = translation().element(0, SETTING)
    before = frames(N, 3)
    assert score(before, [b + g.translation for b in before], translation(), g) < 1e-15
    assert score(before, before, translation(), g) == 0
    assert score(before, [b + 2 * g.translation for b in before], translation(), g) > 0.1


def test_feature_maps_turn_and_shift():
    setting = Setting({}, image=(8, 8))
    maps = frames(2, 3, 4, 8, 8)
    turn = planar().element(0, setting, 0)
    assert score(maps, [Image(group_axis=2).apply(m, turn) for m in maps], planar(), turn, setting) < 1e-12
    assert score(maps, maps, planar(), turn, setting) > 0.1
    g = shift().element(0, setting, 2)
    assert score(maps, [Image().apply(m, g) for m in maps], shift(), g, setting) == 0
    even = Element(shift=(2, 4))
    coarse = [m[..., ::2, ::2] for m in maps]
    moved = [Image().apply(m, even)[..., ::2, ::2] for m in maps]
    assert score(coarse, moved, shift(), even, setting) == 0


def test_shapes_that_change_are_broken():
    assert score(frames(N, 3), frames(N, 4)) == float("inf")
    nan = [f * float("nan") for f in frames(N, 3)]
    assert score(frames(N, 3), nan) == float("inf")


def test_weights_on_their_way_into_a_convolution_carry_any_action():
    setting, turn = Setting(image=(8, 8)), Element(turns=1)
    weight, ramp = frames(4, 4, 3, 3)[:1] * 4, frames(1, 1, 8, 8)[:1] * 4
    assert score(weight, weight, planar(), turn, setting) == 0
    assert score(ramp, ramp, planar(), turn, setting) > 0.1
    assert score(frames(4, 4, 3, 3), frames(4, 4, 3, 3), planar(), turn, setting) > 0.1


def test_a_small_change_of_a_pooled_feature_is_seen_under_permutations():
    """Inputs that are nearly alike, normalised features: scalar products change in second order only."""
    first = torch.nn.functional.normalize(frames(8)[0], dim=0)
    before = [torch.nn.functional.normalize(first + 1e-3 * f, dim=0) for f in frames(8, seed=1)]
    after = [torch.nn.functional.normalize(b + 1e-4 * frames(8, seed=2)[0], dim=0) for b in before]
    g = permutation().element(0, SETTING, 0)
    assert score(before, after, permutation(), g) > 1e-5
    assert score(before, [b[torch.randperm(8)] for b in before], permutation(), g) == 0
