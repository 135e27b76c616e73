import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equishare import groups

FINITE = {
    "C1": groups.cyclic(1),
    "C2": groups.cyclic(2),
    "C6": groups.cyclic(6),
    "D1": groups.dihedral(1),
    "D2": groups.dihedral(2),
    "D3": groups.dihedral(3),
    "D4": groups.dihedral(4),
    "D7": groups.dihedral(7),
    "S1": groups.symmetric(1),
    "S2": groups.symmetric(2),
    "S4": groups.symmetric(4),
    "A3": groups.alternating(3),
    "A4": groups.alternating(4),
    "A5": groups.alternating(5),
    "O": groups.octahedral(),
    "Oh": groups.octahedral(full=True),
    "I": groups.icosahedral(),
    "Ih": groups.icosahedral(full=True),
    "T(3x4)": groups.translations((3, 4)),
    "C2 x S3": groups.direct(groups.cyclic(2), groups.symmetric(3)),
    "C5 x| C2": groups.semidirect(groups.cyclic(5), groups.cyclic(2), lambda _, n: groups.cyclic(5).inverse(n)),
    "given": groups.from_permutations([(1, 2, 3, 4, 0), (1, 0, 2, 3, 4)]),
}
ORDERS = dict(
    zip(FINITE, [1, 2, 6, 2, 4, 6, 8, 14, 1, 2, 24, 3, 12, 60, 24, 48, 60, 120, 12, 12, 10, 120], strict=True)
)


@pytest.mark.parametrize("name", FINITE)
def test_order_axioms_and_random_elements(name):
    G = FINITE[name]
    assert G.order == len(G.elements) == len(set(G.elements)) == ORDERS[name]
    rng = torch.Generator().manual_seed(0)
    for _ in range(5):
        g, h, k = (G.random(rng) for _ in range(3))
        assert all(G.contains(x) for x in (g, h, G.product(g, h), G.inverse(g)))
        assert G.product(G.product(g, h), k) == G.product(g, G.product(h, k))
        assert G.product(g, G.inverse(g)) == G.identity == G.product(G.inverse(g), g)


@pytest.mark.parametrize("name", [n for n in FINITE if n not in ("given", "C5 x| C2", "C2 x S3")])
def test_short_repr(name):
    assert repr(FINITE[name]) == name


@pytest.mark.parametrize("name", FINITE)
def test_values_are_hashable_and_immutable(name):
    G = FINITE[name]
    assert {G: 1}[G] == 1
    with pytest.raises(AttributeError):
        G.name = "other"


@pytest.mark.parametrize("name", FINITE)
def test_classes_share_out_the_group(name):
    G = FINITE[name]
    assert sum(weight for _, weight in G.classes()) == pytest.approx(1)


def test_random_elements_are_uniform():
    G = groups.symmetric(3)
    rng = torch.Generator().manual_seed(1)
    counts = np.zeros(6)
    for _ in range(3000):
        counts[G.index(G.random(rng))] += 1
    assert ((counts - 500) ** 2 / 500).sum() < 20.5  # chi-square with 5 degrees of freedom, p = 0.001


def test_a_symmetric_group_too_large_to_list_is_used_by_its_generators():
    G = groups.symmetric(50)  # of 3e64 elements: what lists them does not finish
    g = G.random()
    assert G.product(g, G.inverse(g)) == G.identity
    assert G.contains(g)
    assert len(str(G.order)) == 65
    with pytest.raises(groups.GroupError, match="too many to list"):
        _ = groups.symmetric(12).elements


def test_large_group_of_unknown_kind_has_order_and_random_elements():
    n = 12
    G = groups.from_permutations([(*range(1, n), 0), (1, 0, *range(2, n))])
    assert G.order == groups.symmetric(n).order
    g = G.random(torch.Generator().manual_seed(0))
    assert G.contains(g)
    even = groups.from_permutations(groups.alternating(n).generators)
    assert not even.contains((1, 0, *range(2, n)))


def test_same_seed_same_element():
    for G in (groups.symmetric(9), groups.octahedral(), groups.o3(), groups.translations((5, 6))):
        a, b = (G.random(torch.Generator().manual_seed(3)) for _ in range(2))
        assert torch.equal(torch.as_tensor(a), torch.as_tensor(b))


@settings(max_examples=25)
@given(st.lists(st.permutations(range(5)), min_size=1, max_size=3))
def test_listed_order_equals_schreier_sims(generators):
    G = groups.from_permutations(generators)
    assert len(G.elements) == G._stabiliser_chain().order()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: groups.from_permutations([(0, 0, 1)]), "not a permutation"),
        (lambda: groups.from_permutations([(0, 1), (0, 1, 2)]), "one number of points"),
        (lambda: groups.from_permutations([]), "one number of points"),
        (lambda: groups.cyclic(0), "positive"),
        (lambda: groups.symmetric(0), "positive"),
        (lambda: groups.from_matrices([torch.tensor([[1.0, 1.0], [0.0, 1.0]])]), "no finite group"),
        (lambda: groups.from_matrices([torch.zeros(2, 2)]), "determinant 0"),
        (lambda: groups.from_matrices([2 * torch.eye(3)]), "determinant 8"),
        (lambda: groups.translations((0, 3)), "grid sizes"),
        (lambda: groups.cyclic(4).subgroup((1, 0, 2, 3)), "not an element"),
        (lambda: groups.symmetric(4).defining(), "acts on no space"),
        (
            lambda: groups.semidirect(groups.cyclic(5), groups.cyclic(3), lambda _, n: groups.cyclic(5).inverse(n)),
            "relations",
        ),
        (
            lambda: groups.semidirect(groups.cyclic(4), groups.cyclic(2), lambda _, n: groups.cyclic(4).product(n, n)),
            "bijection",
        ),
        (lambda: groups.cyclic(4).action([(1, 2, 0)]), "relations"),
        (lambda: groups.cyclic(4).action([(1, 0), (0, 1)]), "1 generators"),
        (lambda: groups.cyclic(4).representation([torch.eye(2) * 2]), "no representation"),
        (lambda: groups.cyclic(4).regular() + groups.cyclic(2).regular(), "one group"),
        (lambda: 0 * groups.cyclic(4).regular(), "whole number from 1 up"),
    ],
)
def test_errors_say_what_is_wrong(build, message):
    with pytest.raises(groups.GroupError, match=message):
        build()


def test_translation_by_a_unit_moves_a_point_to_its_neighbour():
    T = groups.translations((3, 4))
    down, right = T.generators
    assert right[0] == 1
    assert down[0] == 4


def test_semidirect_product_of_the_square_is_the_dihedral_group():
    C4 = groups.cyclic(4)
    G = groups.semidirect(C4, groups.cyclic(2), lambda _, n: C4.inverse(n))
    sizes = sorted(irrep.size for irrep in G.irreps())
    assert G.order == 8
    assert sizes == [1, 1, 1, 1, 2]
