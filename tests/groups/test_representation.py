import itertools

import pytest
import torch

from equishare import groups


def representations():
    D4, C6, S4, cube, icosahedron = (
        groups.dihedral(4),
        groups.cyclic(6),
        groups.symmetric(4),
        groups.octahedral(full=True),
        groups.icosahedral(),
    )
    mirror = D4.subgroup(D4.generators[1])
    yield D4.trivial()
    yield D4.sign()
    yield D4.regular()
    yield D4.permutation()
    yield D4.defining()
    yield D4.quotient(mirror)
    yield 3 * D4.regular() + D4.trivial()
    yield D4.defining() * D4.permutation()
    yield 2 * (D4.sign() + D4.defining())
    yield (D4.sign() * D4.quotient(mirror)).dual()
    yield C6.regular() + C6.defining() + C6.sign()
    yield S4.permutation() * S4.permutation()
    yield S4.sign()
    yield cube.defining() + cube.sign()
    yield cube.permutation()
    yield icosahedron.defining() * icosahedron.defining()
    yield D4.action([(1, 2, 3, 0), (0, 3, 2, 1)])
    skew = torch.tensor([[1.0, 0.5], [0.0, 1.0]], dtype=torch.float64)
    yield D4.representation([skew @ D4.defining()(g) @ skew.inverse() for g in D4.generators])
    for G in (
        groups.dihedral(1),
        groups.dihedral(2),
        groups.dihedral(5),
        groups.dihedral(6),
        groups.cyclic(5),
    ):
        yield G.defining()
        yield from G.irreps()
    yield from S4.irreps()
    yield from groups.symmetric(5).irreps()
    yield from groups.octahedral().irreps()
    yield from groups.alternating(4).irreps()
    yield from groups.translations((2, 3)).irreps()
    for G in (groups.so2(), groups.o2()):
        yield G.defining()
        yield G.irrep(0) + G.irrep(1) + 2 * G.irrep(3)
        yield G.sign()
    for G in (groups.so3(), groups.o3()):
        yield G.defining() * G.irreps("1o")
        yield G.irreps("2x0e + 0o + 1o + 1e + 2e + 3o")
        yield G.sign()


REPRESENTATIONS = list(representations())


@pytest.mark.parametrize("rep", REPRESENTATIONS, ids=repr)
def test_is_a_homomorphism(rep):
    G, rng = rep.group, torch.Generator().manual_seed(0)
    assert {rep: 1}[rep] == 1
    pairs = [(G.random(rng), G.random(rng)) for _ in range(6)] + list(itertools.product(G.generators, repeat=2))
    for g, h in pairs:
        assert torch.allclose(rep(G.product(g, h)), rep(g) @ rep(h), atol=1e-9, rtol=0)
        assert rep.character(g) == pytest.approx(float(rep(g).trace()), abs=1e-9)
        action = rep.signed_permutation(g)
        if action is not None:
            assert torch.equal(action.matrix(), rep(g).round())
    assert torch.allclose(rep(G.identity), torch.eye(rep.size, dtype=torch.float64), atol=1e-9)


@pytest.mark.parametrize(
    "G",
    [
        groups.cyclic(1),
        groups.cyclic(2),
        groups.cyclic(7),
        groups.cyclic(8),
        groups.dihedral(1),
        groups.dihedral(2),
        groups.dihedral(5),
        groups.dihedral(6),
        groups.symmetric(5),
        groups.alternating(5),
        groups.alternating(4),
        groups.octahedral(full=True),
        groups.icosahedral(),
        groups.direct(groups.cyclic(3), groups.cyclic(3)),
        groups.from_permutations(  # the quaternion group, acting on itself
            [(2, 3, 1, 0, 6, 7, 5, 4), (4, 5, 7, 6, 1, 0, 2, 3)], name="Q8"
        ),
    ],
    ids=repr,
)
def test_irreps_are_complete_irreducible_and_inequivalent(G):
    """sum of dim^2 / (chi, chi) is the order; (chi, chi) = 1, 2 or 4 is the dimension of the commutant."""
    irreps = G.irreps()
    total = 0
    for i, a in enumerate(irreps):
        endomorphisms = groups.intertwiner_count(a, a)
        assert endomorphisms in (1, 2, 4)
        total += a.size**2 // endomorphisms
        assert all(groups.intertwiner_count(a, b) == 0 for b in irreps[i + 1 :])
    assert total == G.order


def test_quaternion_irrep_has_the_quaternions_as_commutant():
    G = groups.from_permutations([(2, 3, 1, 0, 6, 7, 5, 4), (4, 5, 7, 6, 1, 0, 2, 3)])
    assert G.order == 8
    assert sorted((r.size, groups.intertwiner_count(r, r)) for r in G.irreps()) == [(1, 1)] * 4 + [(4, 4)]


@pytest.mark.parametrize(("n", "k", "m"), [(2, 0, 2), (4, 1, 1), (4, 1, 2), (5, 2, 2), (6, 2, 3), (12, 2, 2)])
def test_permutation_maps_are_counted_by_bell_numbers(n, k, m):
    bell = {2: 2, 3: 5, 4: 15, 5: 52}
    points = groups.symmetric(n).permutation()

    def power(order):
        rep = groups.symmetric(n).trivial()
        for _ in range(order):
            rep = rep * points
        return rep

    assert groups.intertwiner_count(power(k), power(m)) == bell[k + m]


def test_characters_count_the_intertwiners_of_rotation_irreps():
    O3 = groups.o3()
    a, b = O3.irreps("3x0e + 2x1o + 1x2e"), O3.irreps("2x0e + 4x1o + 1x1e + 3x2e")
    assert groups.intertwiner_count(a, b) == 3 * 2 + 2 * 4 + 1 * 3
    SO3 = groups.so3()
    assert groups.intertwiner_count(SO3.irreps("1o"), SO3.irreps("1e")) == 1
    assert groups.intertwiner_count(O3.irreps("1o") * O3.irreps("1o"), O3.irreps("0e+1e+2e")) == 3
    assert groups.intertwiner_count(groups.so2().irrep(2), groups.so2().irrep(2)) == 2
    assert groups.intertwiner_count(groups.o2().irrep(2), groups.o2().irrep(2)) == 1


@pytest.mark.parametrize("rep", [groups.dihedral(4).defining(), groups.octahedral().defining()], ids=repr)
def test_lattice_symmetries_are_exact(rep):
    assert rep.kind == "signed"
    assert all(torch.equal(rep(g), rep(g).round()) for g in rep.group.elements)


def test_sign_is_the_determinant_of_space_or_the_parity():
    D4, S3 = groups.dihedral(4), groups.symmetric(3)
    assert [float(D4.sign()(g)) for g in D4.generators] == [1.0, -1.0]
    assert float(S3.sign()((1, 0, 2))) == -1.0
    assert [float(groups.cyclic(2).sign()(g)) for g in groups.cyclic(2).elements] == [1.0, -1.0]


def test_repr_reads_as_typed():
    G = groups.dihedral(4)
    assert repr(3 * G.regular() + G.trivial()) == "3*regular(D4) + trivial(D4)"
    assert repr((G.regular() + G.trivial()) * G.sign()) == "(regular(D4) + trivial(D4)) * sign(D4)"
    assert 2 * (3 * G.regular()) == 6 * G.regular() == 3 * G.regular() + 3 * G.regular()


def test_e3nn_order_and_matrices():
    from e3nn.o3 import Irreps

    O3 = groups.o3()
    g = O3.random(torch.Generator().manual_seed(2))
    expected = Irreps("0e+1o+2e").D_from_matrix(g)
    assert torch.allclose(O3.irreps("0e+1o+2e")(g), expected.double(), atol=1e-5)


def test_irreps_of_large_symmetric_groups_are_counted_by_hooks():
    for n in range(1, 8):
        assert sum(irrep.size**2 for irrep in groups.symmetric(n).irreps()) == groups.symmetric(n).order
    assert groups.symmetric(50).irrep((48, 2)).size == 1175


def test_given_matrices_are_square_and_finite():
    for matrix in (torch.ones(1, 4), torch.ones(2, 3), torch.ones(4), torch.tensor([[torch.nan]])):
        with pytest.raises(groups.GroupError, match=r"square|no representation"):
            groups.cyclic(1).representation([matrix])


@pytest.mark.parametrize("m", [31, 60, 100])
def test_characters_of_high_frequencies_do_not_meet(m):
    G = groups.so2()
    assert groups.intertwiner_count(G.irrep(m), G.irrep(64 - m if m < 64 else m - 64)) == 0
    assert groups.intertwiner_count(G.irrep(m), G.irrep(m)) == 2


def test_factors_of_products_are_counted_from_zero():
    finite = groups.direct(groups.cyclic(2), groups.cyclic(3))
    mixed = groups.direct(groups.so2(), groups.cyclic(3))
    for position in (-1, 2):
        for make in (
            lambda k: finite.embed(k, (1, 2, 0)),
            lambda k: mixed.embed(k, (1, 2, 0)),
            lambda k: mixed.of_factor(k, groups.cyclic(3).regular()),
        ):
            with pytest.raises(groups.GroupError, match=f"factors 0 to 1, got {position}"):
                make(position)
