"""Every pattern spans the brute-force null space: it is equivariant and complete."""

import resource

import pytest
import torch

from equishare import groups, sharing

TOLERANCE = 1e-9


def pairs():
    C4, D4, S4, S3, A4 = (
        groups.cyclic(4),
        groups.dihedral(4),
        groups.symmetric(4),
        groups.symmetric(3),
        groups.alternating(4),
    )
    cube, icosahedron, torus = groups.octahedral(), groups.icosahedral(), groups.translations((2, 3))
    mirror = D4.subgroup(D4.generators[1])
    yield C4.regular(), 2 * C4.regular()
    yield 3 * D4.regular() + D4.trivial(), D4.regular()
    yield D4.regular(), D4.quotient(mirror)
    yield D4.defining(), D4.regular()
    yield D4.sign() * D4.regular(), D4.regular() + D4.sign()
    yield D4.sign(), D4.trivial()
    yield D4.defining() * D4.defining(), 2 * D4.defining() + D4.trivial() + D4.regular()
    yield S4.permutation(), S4.permutation()
    yield S3.permutation() * S3.permutation(), S3.permutation() * S3.permutation()
    yield S4.irrep((3, 1)) + S4.permutation(), 2 * S4.irrep((3, 1)) + S4.irrep((2, 2))
    yield A4.permutation(), A4.irreps()[-1]
    yield cube.defining(), cube.permutation() + cube.trivial()
    yield cube.defining() * cube.defining(), cube.defining()
    yield icosahedron.defining(), icosahedron.irreps()[2] + icosahedron.defining()
    yield torus.permutation(), torus.permutation()
    yield groups.cyclic(8).defining() + groups.cyclic(8).regular(), groups.cyclic(8).defining()
    yield groups.dihedral(3).irreps()[2] * groups.dihedral(3).permutation(), groups.dihedral(3).defining()
    skew = torch.tensor([[1.0, 0.5], [0.0, 1.0]], dtype=torch.float64)
    oblique = D4.representation([skew @ D4.defining()(g) @ skew.inverse() for g in D4.generators])
    yield oblique, oblique.dual() + D4.regular()
    yield groups.so2().irrep(1) + groups.so2().irrep(3), 2 * groups.so2().irrep(3)
    yield groups.o2().irrep(2) + groups.o2().trivial(), groups.o2().irrep(2) + groups.o2().sign()
    O3, SO3 = groups.o3(), groups.so3()
    yield O3.irreps("2x0e+1o+2e"), O3.irreps("0e+2x1o+1e+2e")
    yield SO3.irreps("1o+3e"), SO3.irreps("1e+3o")
    yield O3.irreps("1o") * O3.irreps("2e"), O3.irreps("1o+3o+2e")


def product_pairs():
    """Tensor products of what single factors of a group do, in any order."""
    S3, SO3 = groups.symmetric(3), groups.so(3)
    G = groups.direct(SO3, S3)
    V, P = G.of_factor(0, SO3.defining()), G.of_factor(1, S3.permutation())
    yield P * V, V * P
    yield V, V.dual() * P
    yield V * P * V, P * P
    yield (P * V).dual(), V * G.trivial()
    yield P * V + 2 * V, V + G.trivial()
    yield V, P * P
    L = groups.direct(groups.lorentz(1), groups.cyclic(2))
    boosted, flipped = L.of_factor(0, L.factors[0].defining()), L.of_factor(1, L.factors[1].sign())
    yield boosted * flipped * boosted, flipped * boosted.dual() * boosted


@pytest.mark.parametrize(("rep_in", "rep_out"), list(product_pairs()), ids=str)
def test_maps_of_a_product_of_groups_are_products_of_maps(rep_in, rep_out):
    pattern, oracle = sharing.solve(rep_in, rep_out), sharing.null_space(rep_in, rep_out)
    assert pattern.n_free == oracle.shape[1]
    assert sharing.subspace_distance(pattern.as_matrix(), oracle) < TOLERANCE


def test_products_of_groups_have_no_size_that_is_too_large_to_solve():
    """Maps of pairs of particles: Hom of each factor counts them."""
    S6, SO4 = groups.symmetric(6), groups.so(4)
    G = groups.direct(SO4, S6)
    pairs = G.of_factor(0, SO4.defining()) * G.of_factor(1, S6.permutation() * S6.permutation())
    vector = SO4.defining()
    assert sharing.solve(pairs, pairs).n_free == 15 * sharing.solve(vector, vector).n_free


PAIRS = list(pairs())


@pytest.mark.parametrize(("rep_in", "rep_out"), PAIRS, ids=[f"{a} -> {b}" for a, b in PAIRS])
def test_solved_span_is_the_null_space_and_its_size_the_character_count(rep_in, rep_out):
    pattern = sharing.solve(rep_in, rep_out)
    oracle = sharing.null_space(rep_in, rep_out)
    assert pattern.n_free == oracle.shape[1] == groups.intertwiner_count(rep_in, rep_out)
    assert sharing.subspace_distance(pattern.as_matrix(), oracle) < TOLERANCE
    g = rep_in.group.random(torch.Generator().manual_seed(1))
    W = pattern.expand(torch.randn(pattern.n_free, dtype=torch.float64))
    assert torch.allclose(rep_out(g) @ W, W @ rep_in(g), atol=1e-9)


@pytest.mark.parametrize(("rep_in", "rep_out"), PAIRS, ids=[f"{a} -> {b}" for a, b in PAIRS])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_project_is_the_nearest_shared_weight(rep_in, rep_out, dtype):
    pattern = sharing.solve(rep_in, rep_out)
    tolerance = 1e-4 if dtype == torch.float32 else 1e-9
    base = torch.randn(2, 3, pattern.n_free, dtype=dtype)
    assert torch.allclose(pattern.project(pattern.expand(base)), base, atol=tolerance)
    weight = torch.randn(*pattern.shape, dtype=dtype)
    rest = (weight - pattern.expand(pattern.project(weight))).reshape(-1)
    if pattern.n_free:
        assert float((pattern.as_matrix().to(dtype).mT @ rest).abs().max()) < tolerance * 10


def test_wrong_patterns_are_told_apart():
    """The oracle can fail: too few, too many and misplaced weights are all seen."""
    points = groups.symmetric(4).permutation()
    oracle = sharing.null_space(points, points)
    dense = sharing.IndexPattern(torch.arange(16).reshape(4, 4))
    one = sharing.IndexPattern(torch.zeros(4, 4, dtype=torch.long))
    moved = sharing.IndexPattern(1 - torch.eye(4, dtype=torch.long).flip(0))
    for wrong in (dense, one, moved):
        assert sharing.subspace_distance(wrong.as_matrix(), oracle) > 0.1


def test_large_block_is_solved_by_averaging():
    G = groups.octahedral()
    rep = G.defining()
    for _ in range(3):
        rep = rep * G.defining()
    twisted = G.irreps()[2] * G.irreps()[2] * G.irreps()[3] * G.irreps()[3]
    assert rep.size * twisted.size > 2500
    pattern = sharing.solve(rep, twisted)
    assert pattern.n_free == groups.intertwiner_count(rep, twisted)
    g = G.random()
    W = pattern.expand(torch.randn(pattern.n_free, dtype=torch.float64))
    assert torch.allclose(twisted(g) @ W, W @ rep(g), atol=1e-9)
    big = groups.o3().irreps("3o")
    with pytest.raises(sharing.SharingError, match="too large"):
        sharing.solve(big * big, big * big * big)


def test_second_order_permutation_maps_on_thirty_points_within_memory():
    """810,000 unknowns: a null space, dense, would need 5 TB."""
    points = groups.symmetric(30).permutation()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pattern = sharing.solve(points * points, points * points)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert pattern.shape == (900, 900)
    assert pattern.n_free == 15
    assert grown < 1024
    assert torch.equal(pattern.index, sharing.permutation_maps(30, 2, 2).index)


def test_fifty_points_need_no_list_of_permutations():
    points = groups.symmetric(50).permutation()
    assert sharing.solve(points, points).n_free == 2


@pytest.mark.parametrize(
    ("n", "k", "m", "count"), [(2, 1, 1, 2), (3, 1, 2, 5), (4, 2, 2, 15), (5, 2, 3, 52), (6, 3, 3, 203)]
)
def test_permutation_maps_have_bell_number_dimensions(n, k, m, count):
    assert sharing.permutation_maps(n, k, m).n_free == count
    assert sharing.permutation_maps(n, 0, k + m).n_free == count
    points = groups.symmetric(n).permutation()

    def power(order):
        rep = points
        for _ in range(order - 1):
            rep = rep * points
        return rep

    solved = sharing.solve(power(k), power(m))
    assert torch.equal(solved.index, sharing.permutation_maps(n, k, m).index)


@pytest.mark.parametrize(("n", "k", "m"), [(1, 1, 1), (3, 0, 1), (4, 1, 1), (5, 1, 1), (3, 1, 2), (2, 2, 2), (3, 2, 2)])
def test_hand_written_permutation_maps_span_the_null_space(n, k, m):
    G = groups.symmetric(n)

    def power(order):
        rep = G.trivial()
        for _ in range(order):
            rep = rep * G.permutation()
        return rep

    pattern = sharing.permutation_maps(n, k, m)
    assert sharing.subspace_distance(pattern.as_matrix(), sharing.null_space(power(k), power(m))) < TOLERANCE


def test_groups_must_agree():
    with pytest.raises(sharing.SharingError, match="one group"):
        sharing.solve(groups.cyclic(2).regular(), groups.cyclic(3).regular())


def test_equals_the_layer_of_e3nn():
    from e3nn import o3

    irreps_in, irreps_out = "4x0e+3x1o+2x2e", "2x0e+5x1o+1x1e+1x2e"
    linear = o3.Linear(irreps_in, irreps_out)
    pattern = sharing.solve(groups.o3().irreps(irreps_in), groups.o3().irreps(irreps_out))
    assert pattern.n_free == linear.weight_numel
    W = linear(torch.eye(linear.irreps_in.dim)).T.detach().double()
    assert torch.allclose(pattern.expand(pattern.project(W)), W, atol=1e-6)


@pytest.mark.parametrize("length", [1e-5, 1e-3, 1.0, 1e3, 1e5])
def test_units_of_the_coordinates_make_no_difference(length):
    G = groups.symmetric(3)
    irrep, units = G.irrep((2, 1)), torch.tensor([1.0, length], dtype=torch.float64)
    rep = G.representation([irrep.matrix(g) * units[:, None] / units for g in G.generators])
    for left, right in ((rep, rep), (rep * rep, rep), (rep, G.trivial()), (rep * rep, G.trivial())):
        pattern = sharing.solve(left, right)
        assert pattern.n_free == groups.intertwiner_count(left, right)
        basis = pattern.as_matrix().reshape(right.size, left.size, -1)
        for g in G.generators:
            moved = torch.einsum("ab,bcf->acf", right.matrix(g), basis)
            other = torch.einsum("abf,bc->acf", basis, left.matrix(g))
            assert torch.allclose(
                moved, other, atol=1e-9 * float(right.matrix(g).abs().max() * left.matrix(g).abs().max())
            )
