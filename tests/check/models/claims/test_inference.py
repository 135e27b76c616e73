"""Types of inputs together, whatever their order, and readings of outputs."""

from itertools import permutations

import pytest
import torch

from equishare.check import molecule
from equishare.check.models.claims.inference import infer_inputs
from equishare.check.models.claims.output_readings import infer_output
from equishare.check.models.symmetry.symmetry import Setting, setting_of

N, E = 9, 14
EDGES = torch.zeros(2, E, dtype=torch.long)


def described(**inputs):
    kinds = infer_inputs(list(inputs), list(inputs.values()), [None] * len(inputs))
    return {name: kind.describe() for name, kind in zip(inputs, kinds, strict=True)}


INPUTS = {
    "h": torch.ones(N, 16),
    "pos": torch.ones(N, 3),
    "edge_index": EDGES,
    "w": torch.ones(E, 4),
    "mask": torch.ones(N, dtype=torch.bool),
    "spin": torch.ones(N, 3),
    "adj": torch.ones(N, N),
    "temperature": torch.ones(()),
}
KINDS = {
    "h": "scalar per atom",
    "pos": "positions",
    "edge_index": "indices of atoms",
    "w": "scalar per edge",
    "mask": "scalar per atom",
    "spin": "vector per atom",
    "adj": "scalar per pair of atoms",
    "temperature": "invariant",
}


@pytest.mark.parametrize("order", [*permutations(["h", "pos", "edge_index"]), list(INPUTS), list(INPUTS)[::-1]])
def test_the_order_of_arguments_makes_no_difference(order):
    assert described(**{name: INPUTS[name] for name in order}) == {name: KINDS[name] for name in order}


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("names", [("feats", "coors"), ("features", "coords"), ("h", "x")])
def test_axes_before_the_atoms_are_batches(batch, names):
    features, positions = names
    inputs = {features: torch.ones(batch, N, 16), positions: torch.ones(batch, N, 3), "mask": torch.ones(batch, N)}
    claim = molecule()
    leaves = list(inputs.items())
    kinds = claim.bind_inputs(leaves, list(inputs))
    assert [k.describe() for k in kinds] == ["scalar per atom", "positions", "scalar per atom"]
    assert [k.axis for k in kinds] == [1, 1, 1]


def test_pairs_of_a_batch():
    found = infer_inputs(["edges", "coors"], [torch.ones(1, N, N, 4), torch.ones(1, N, 3)], [None, None])
    assert found[0].axis == (1, 2)


@pytest.mark.parametrize("name", ["h", "x", "feats", "node_feats"])
def test_three_features_are_no_vector_and_as_many_features_as_atoms_are_no_pairs(name):
    pos = torch.ones(N, 3)
    assert described(**{name: torch.ones(N, 3), "pos": pos})[name] == "scalar per atom"
    assert infer_inputs([name, "pos"], [torch.ones(N, N), pos], [None, None])[0].axis == 0


def test_a_lone_cloud_is_positions():
    assert described(x=torch.ones(N, 3)) == {"x": "positions"}
    assert described(v=torch.ones(N, 3)) == {"v": "positions"}
    assert described(h=torch.ones(N, 3))["h"] == "invariant"


def test_two_clouds_of_different_size_do_not_collide():
    assert described(pos=torch.ones(N, 3), points=torch.ones(N + 2, 3))["points"] == "positions"


def test_names_that_the_shape_contradicts_say_nothing():
    assert described(r=torch.ones(N, N), pos=torch.ones(N, 3))["r"] == "scalar per pair of atoms"
    assert described(edges=torch.ones(N, N), pos=torch.ones(N, 3))["edges"] == "scalar per pair of atoms"


@pytest.mark.parametrize(
    ("name", "shape", "likeliest", "settled"),
    [
        ("0", (N, 3), "vector per atom", False),
        ("coors", (1, N, 3), "positions", True),
        ("", (1, N, 8), "scalar per atom", False),
        ("forces", (1, N, 3), "vector per atom", True),
        ("1", (1, N, 8, 3), "vector per atom", False),
        ("energy", (), "invariant", True),
    ],
)
def test_readings_of_outputs(name, shape, likeliest, settled):
    found = infer_output(name, torch.ones(shape), Setting({"atoms": N}, atoms_axis=1))
    assert found.options[0].describe() == likeliest
    assert found.settled == settled
    assert not infer_output(name, torch.ones(shape, dtype=torch.long), Setting()).options


@pytest.mark.parametrize("order", [("h", "pos"), ("pos", "h")])
def test_spelled_types_find_their_axes(order):
    given = {"h": torch.ones(1, N, 16), "pos": torch.ones(1, N, 3)}
    types = {"h": "atoms", "pos": "positions"}
    claim = molecule(types, ("atoms", "positions", "atoms: 8x0e", "pairs"))
    leaves = [(name, given[name]) for name in order]
    kinds = claim.bind_inputs(leaves, list(order))
    assert [k.axis for k in kinds] == [1, 1]
    setting = setting_of(leaves, list(order), kinds)
    outputs = [torch.ones(1, N, 4), torch.ones(1, N, 3), torch.ones(1, N, 8), torch.ones(1, N, N)]
    found = claim.bind_outputs([(str(i), t) for i, t in enumerate(outputs)], setting)
    assert [r.options[0].axis for r in found[:3]] == [1, 1, 1]
    assert molecule({"h": "atoms"}).bind_inputs(leaves, list(order))[order.index("h")].axis == 1


def test_a_matrix_of_pairs_is_none_of_atoms():
    types = infer_inputs(["pairs", "pos"], [torch.ones(1, N, N, 8), torch.ones(1, N, 3)], [None, None])
    assert types[0].describe() == "scalar per pair of atoms"
    assert (
        infer_inputs(["pairs", "pos"], [torch.ones(5, 8), torch.ones(N, 3)], [None, None])[0].describe() == "invariant"
    )
