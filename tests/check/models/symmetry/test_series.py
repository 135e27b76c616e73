import torch

from equishare.check.models.symmetry import factors
from equishare.check.models.symmetry.series import alone, together
from equishare.check.models.symmetry.symmetry import Setting

SETTING = Setting({"atoms": 6, "edges": 10}, positions=torch.randn(6, 3), image=(8, 8))


def series(*chosen, samples=None):
    return [alone(f, SETTING, 0, samples) for f in chosen]


def test_products_hold_one_element_of_each_factor():
    each = series(factors.rotation(), factors.translation(), factors.permutation("atoms"))
    joint = together(each)
    assert len(joint) == 48
    g = joint.element(5)
    assert g.parts == {"orthogonal", "translation", "atoms"}
    assert joint.parts(5) == {"rotation": 5, "translation": 5, "permutation": 5}
    assert torch.equal(g.orthogonal, each[0].element(5).orthogonal)
    assert torch.equal(g.permutations["atoms"], each[2].element(5).permutations["atoms"])


def test_factors_that_move_the_same_thing_take_turns():
    joint = together(series(factors.rotation(), factors.reflection(), samples=10))
    assert len(joint) == 20
    signs = [round(torch.linalg.det(joint.element(n).orthogonal).item()) for n in joint.numbers]
    assert signs == [1, -1] * 10
    assert joint.parts(7) == {"reflection": 3}


def test_permutations_of_two_index_sets_are_no_rivals():
    joint = together(series(factors.permutation("atoms"), factors.permutation("edges")))
    assert set(joint.element(0).permutations) == {"atoms", "edges"}


def test_a_shorter_series_starts_where_it_is_told():
    rotations = series(factors.rotation())[0]
    short = rotations.starting_with(13, 4)
    assert short.numbers == [13, 0, 1, 2]
    assert rotations.starting_with(None, 2).numbers == [0, 1]
    turns = series(factors.planar(4))[0]
    assert turns.exhaustive
    assert turns.starting_with(2, 8).exhaustive
    assert not turns.starting_with(2, 2).exhaustive
