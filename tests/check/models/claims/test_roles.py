import pytest
import torch

from equishare.check import Cartesian, Index, image, molecule, set_
from equishare.check.models.claims.roles import ROLES, parse
from equishare.check.models.symmetry.factors import permutation, rotation
from equishare.check.models.symmetry.symmetry import Setting, setting_of
from equishare.groups import so3


@pytest.mark.parametrize("spelling", [*ROLES, "8x0e+4x1o", "atoms: 1o", "edges : 2x1e"])
def test_every_spelling_reads(spelling):
    assert parse(spelling).describe()


@pytest.mark.parametrize("spelling", ["force", "8x0z", "", "atom: 1o"])
def test_others_are_refused(spelling):
    with pytest.raises(ValueError, match="neither"):
        parse(spelling)


def test_names_and_shapes_are_understood():
    leaves = [
        ("0", torch.ones(5, dtype=torch.long)),
        ("1", torch.ones(5, 3)),
        ("2", torch.ones(2, 8, dtype=torch.long)),
        ("3", torch.ones(5, 3)),
        ("4", torch.ones(8, 2)),
        ("5", torch.ones(4)),
    ]
    names = ["z", "pos", "edge_index", "spin", "weights", "options"]
    types = molecule().bind_inputs(leaves, names)
    assert [t.describe() for t in types] == [
        "scalar per atom",
        "positions",
        "indices of atoms",
        "vector per atom",
        "scalar per edge",
        "invariant",
    ]
    assert setting_of(leaves, names, types).sizes == {"atoms": 5, "edges": 8}


def test_outputs_are_inferred_or_left_out():
    setting = Setting({"atoms": 5})
    shapes = {
        "energy": (),
        "forces": (5, 3),
        "stress": (3, 3),
        "features": (5, 4),
        "0": (5, 7),
        "1": (3,),
        "2": (1, 3, 3),
    }
    leaves = [(name, torch.ones(shape)) for name, shape in shapes.items()]
    found = molecule().bind_outputs(leaves, setting)
    likeliest = [r.options[0].describe() for r in found]
    assert likeliest == [
        "invariant",
        "vector per atom",
        "matrix",
        "scalar per atom",
        "scalar per atom",
        "vector",
        "matrix",
    ]
    assert [r.settled for r in found] == [True, True, True, False, False, False, False]
    assert [r.foreign for r in found] == [False, False, False, True, False, False, False]


def test_specifications_follow_the_nest():
    claim = molecule({"graph": {"pos": "positions"}}, ("energy", Cartesian(1)))
    leaves = [("graph.pos", torch.ones(4, 3)), ("graph.edge_index", torch.ones(2, 1, dtype=torch.long))]
    types = claim.bind_inputs(leaves, [p for p, _ in leaves])
    assert isinstance(types[1], Index)
    out = claim.bind_outputs([("0", torch.ones(1)), ("1", torch.ones(3)), ("2", torch.ones(1))], Setting({"atoms": 4}))
    assert [[t.describe() for t in r.options] for r in out] == [["invariant"], ["vector"], []]


def test_permutations_stay_within_structures():
    setting = Setting({"atoms": 6}, batch=torch.tensor([0, 0, 0, 1, 1, 1]))
    for number in range(20):
        order = permutation().element(0, setting, number).permutations["atoms"]
        assert set(order[:3].tolist()) == {0, 1, 2}


def test_rotations_are_uniform_and_reproducible():
    generator = torch.Generator().manual_seed(0)
    traces = torch.tensor([torch.trace(so3().random(generator)) for _ in range(4000)])
    # the character of l = 1 is orthogonal to 1 and has norm 1 under the Haar measure
    assert abs(traces.mean()) < 0.05
    assert abs(traces.square().mean() - 1) < 0.08
    a, b, c = (rotation().element(seed, Setting(), 3).orthogonal for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_groups_of_images():
    assert [f.size for f in image("D4").factors] == [7]
    assert [f.size for f in image("C2", translations=True).factors] == [1, None]
    with pytest.raises(ValueError, match="none of"):
        image("C8")


def test_sets_along_another_axis():
    types = set_(axis=1).bind_inputs([("x", torch.ones(2, 5, 3))], ["x"])
    assert types[0].axis == 1
