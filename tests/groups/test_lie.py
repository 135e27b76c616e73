"""Matrix Lie groups: what their algebra says against what their elements say, and representations of products and subgroups."""

import math

import pytest
import torch

from equishare import groups, nn, sharing

GROUPS = [
    groups.so(3),
    groups.so(4),
    groups.o(3),
    groups.lorentz(),
    groups.lorentz(full=True),
    groups.lorentz(1),
    groups.sp(1),
    groups.sp(2),
    groups.sl(2),
    groups.sl(3),
    groups.su(2),
    groups.su(3),
    groups.u(2),
    groups.from_lie_algebra(
        [torch.eye(2)[:, [i]] @ torch.eye(2)[[j]] for i in range(2) for j in range(2)], name="GL(2)"
    ),
]


def by_elements(rep_in, rep_out, group):
    """Dimension of the maps that commute with some random elements: nothing is known of the algebra."""
    rows = []
    generator = torch.Generator().manual_seed(0)
    for g in [*(group.random(generator) for _ in range(6)), *group.components]:
        a, b = rep_in.matrix(g).contiguous(), rep_out.matrix(g).contiguous()
        rows.append(
            torch.kron(b, torch.eye(len(a)).double()) - torch.kron(torch.eye(len(b)).double(), a.mT.contiguous())
        )
    values = torch.linalg.svdvals(torch.cat(rows))
    return int((values < 1e-10 * max(1.0, float(values[0]))).sum())


@pytest.mark.parametrize("group", GROUPS, ids=str)
def test_maps_are_those_of_the_group_s_elements(group):
    vector = group.defining()
    tensors = [group.trivial(), vector, vector.dual(), vector * vector, vector * vector.dual()]
    for rep_in in tensors:
        for rep_out in tensors:
            if rep_in.size * rep_out.size <= 300:
                assert sharing.solve(rep_in, rep_out).n_free == by_elements(rep_in, rep_out, group)


@pytest.mark.parametrize(
    ("group", "form"),
    [
        (groups.so(5), torch.eye(5)),
        (groups.o(2), torch.eye(2)),
        (groups.lorentz(), torch.diag(torch.tensor([1.0, -1, -1, -1]))),
        (groups.lorentz(full=True), torch.diag(torch.tensor([1.0, -1, -1, -1]))),
        (groups.sp(2), torch.kron(torch.tensor([[0.0, 1], [-1, 0]]), torch.eye(2))),
        (
            groups.u(2),
            torch.kron(torch.tensor([[0.0, 1], [-1, 0]]), torch.eye(2)),
        ),  # multiplication by i, and so Hermitian
    ],
    ids=str,
)
def test_elements_keep_the_form_that_defines_the_group(group, form):
    form = form.double()
    for _ in range(5):
        g = group.random()
        torch.testing.assert_close(g.mT @ form @ g, form, rtol=1e-6, atol=1e-6 * float(g.abs().max()) ** 2)


def test_determinants():
    for group in (groups.so(4), groups.sl(3), groups.su(3), groups.lorentz()):
        assert float(torch.linalg.det(group.random())) == pytest.approx(1.0, rel=1e-6)
    assert {round(float(torch.linalg.det(groups.o(3).random()))) for _ in range(30)} == {1, -1}


def test_known_counts():
    vector = groups.so(4).defining()
    assert sharing.solve(vector * vector, groups.so(4).trivial()).n_free == 1
    pairs = groups.so(3).defining()
    assert sharing.solve(pairs * pairs, pairs).n_free == 1  # the cross product
    V = groups.o(3).defining()
    assert sharing.solve(V * V, V).n_free == 0
    W = groups.su(2).defining()
    assert sharing.solve(W, W).n_free == 4  # the quaternions


@pytest.mark.parametrize("group", GROUPS[:7], ids=str)
def test_a_linear_layer_commutes(group):
    vector = group.defining()
    layer = nn.SharedLinear(
        3 * vector + 2 * group.trivial() + vector * vector, 2 * vector + vector.dual() + group.trivial()
    ).double()
    torch.nn.init.normal_(layer.bias)
    x, g = torch.randn(5, layer.in_channels, dtype=torch.float64), group.random()
    turned = layer(x @ layer.rep_in(g).mT)
    torch.testing.assert_close(
        turned, layer(x) @ layer.rep_out(g).mT, rtol=1e-8, atol=1e-8 * float(turned.detach().abs().max())
    )


def test_lengths_that_are_not_kept_are_refused():
    vector = groups.lorentz().defining()
    for make in (nn.NormActivation, nn.FieldRMSNorm, lambda rep: nn.GroupPool(rep, "norm", dimension=0)):
        with pytest.raises(nn.EquivarianceError, match="does not keep lengths"):
            make(2 * vector)
        make(2 * groups.so(4).defining())


def test_complex_matrices_keep_their_imaginary_part():
    pauli = torch.tensor([[0, -1j], [1j, 0]])
    group = groups.from_matrices([pauli])
    assert (group.order, group.defining().size) == (2, 4)
    quarter = groups.from_matrices([torch.tensor([[1j]])])
    assert quarter.order == 4
    C4 = groups.cyclic(4)
    torch.testing.assert_close(
        C4.representation([torch.tensor([[1j]])])(C4.generators[0]), C4.defining()(C4.generators[0])
    )
    phase = groups.from_lie_algebra([torch.tensor([[1j]])], name="U(1)")
    g = phase.random()
    torch.testing.assert_close(g @ g.mT, torch.eye(2).double())


# ---- products


def test_product_of_rotations_and_permutations():
    G = groups.direct(groups.so(3), groups.symmetric(4))
    vectors = G.of_factor(1, groups.symmetric(4).permutation()) * G.of_factor(0, groups.so(3).defining())
    # each vector's own and the mean; cross products of pairs are quadratic
    assert sharing.solve(vectors, vectors).n_free == 2
    assert sharing.solve(vectors, G.of_factor(0, groups.so(3).defining())).n_free == 1
    layer = nn.SharedLinear(2 * vectors, vectors + G.trivial()).double()
    g = G.random()
    x = torch.randn(3, layer.in_channels, dtype=torch.float64)
    torch.testing.assert_close(layer(x @ layer.rep_in(g).mT), layer(x) @ layer.rep_out(g).mT)


def test_product_with_a_group_that_knows_its_irreps():
    O3, S3 = groups.o3(), groups.symmetric(3)
    G = groups.direct(O3, S3)
    inertia = G.of_factor(0, O3.irreps("0e+2e"))
    points = G.of_factor(1, S3.permutation())
    assert sharing.solve(points * G.of_factor(0, O3.irreps("2e")), inertia).n_free == 1
    assert groups.intertwiner_count(points, points) == sharing.solve(points, points).n_free == 2
    with pytest.raises(groups.GroupError, match="factor 0"):
        G.of_factor(0, S3.permutation())


# ---- subgroups


def test_restricted_characters_are_the_same():
    D6, C6 = groups.dihedral(6), groups.cyclic(6)
    for rep in (D6.regular(), D6.defining(), *D6.irreps()):
        restricted = groups.restrict(rep, C6)
        for h in C6.elements:
            angle = 2 * math.pi * h[0] / 6
            same = next(g for g in D6.elements if torch.allclose(D6.defining()(g), C6.defining()(h)))
            assert restricted.character(h) == pytest.approx(rep.character(same))
            assert D6.defining().character(same) == pytest.approx(2 * math.cos(angle), abs=1e-9)
    with pytest.raises(groups.GroupError, match="give the inclusion"):
        groups.restrict(D6.regular(), groups.cyclic(4))


@pytest.mark.parametrize("group", [groups.dihedral(4), groups.octahedral(), groups.symmetric(4)], ids=str)
def test_frobenius_reciprocity(group):
    """Hom(Ind rho, sigma) and Hom(rho, Res sigma) are of one dimension, for every sigma."""
    subgroup = group.subgroup(group.generators[1])
    for rho in (subgroup.trivial(), subgroup.regular()):
        induced = groups.induce(rho, group)
        for g in group.generators:
            for h in group.generators:
                torch.testing.assert_close(induced(group.product(g, h)), induced(g) @ induced(h))
        for sigma in group.irreps():
            left = sharing.solve(induced, sigma).n_free
            assert left == sharing.solve(rho, groups.restrict(sigma, subgroup)).n_free


def test_frobenius_reciprocity_of_rotations():
    """The same for O(d) and its turns; what a network of SO(d) becomes under reflections."""
    O2, O3 = groups.o2(), groups.o3()
    for group, turns, sigmas in (
        (O2, groups.so2(), [O2.trivial(), O2.sign(), *map(O2.irrep, (1, 2, 3))]),
        (O3, groups.so3(), [*map(O3.irreps, ("0e", "0o", "1e", "1o", "2e"))]),
    ):
        for rho in map(turns.irrep, (0, 1, 2)):
            induced = groups.induce(rho, group)
            for g, h in (
                (a, b) for a in (group.random(), *group.generators) for b in (group.random(), *group.generators)
            ):
                torch.testing.assert_close(induced(g @ h), induced(g) @ induced(h))
            for sigma in sigmas:
                below = sharing.solve(rho, groups.restrict(sigma, turns)).n_free
                assert sharing.solve(induced, sigma).n_free == below
    for rep, group in (
        (groups.so2().irrep(1), O3),
        (groups.su(2).defining(), groups.u(2)),  # the circle's worth of phases is left
        (groups.so(3).defining(), groups.o(4)),
        (groups.so(4).defining(), groups.from_lie_algebra(groups.so(4).algebra, [2 * torch.eye(4)])),
    ):
        with pytest.raises(groups.GroupError, match="infinitely many cosets"):
            groups.induce(rep, group)


def in_a_product(rotations, group):
    """Rotations and a swap, of which three points have three, in the group with all permutations of the points."""
    S3 = groups.symmetric(3)
    H = groups.direct(rotations, S3.subgroup(S3.generators[0]))
    G = groups.direct(group, S3)
    vector, points = G.of_factor(0, group.defining()), G.of_factor(1, S3.permutation())
    return H.of_factor(0, rotations.defining()), G, [vector, vector * points]


@pytest.mark.parametrize(
    ("rho", "group", "sigmas"),
    [
        (
            groups.so(4).defining(),
            groups.o(4),
            [groups.o(4).defining(), groups.o(4).defining() * groups.o(4).defining()],
        ),
        (
            groups.lorentz(1).defining(),
            groups.from_lie_algebra(groups.lorentz(1).algebra, [torch.diag(torch.tensor([1.0, -1.0]))]),
            [],
        ),
        in_a_product(groups.so3(), groups.o3()),
        in_a_product(groups.so(3), groups.o(3)),
    ],
    ids=["O(4)", "a mirror of boosts", "O(3) x S_3", "o(3) x S_3"],
)
def test_frobenius_reciprocity_where_the_algebra_is_the_same(rho, group, sigmas):
    induced = groups.induce(rho, group)
    for _ in range(5):
        g, h = group.random(), group.random()
        torch.testing.assert_close(induced(group.product(g, h)), induced(g) @ induced(h), rtol=1e-7, atol=1e-7)
    for a in group.algebra:
        if isinstance(group, type(groups.so(3))):
            torch.testing.assert_close(
                torch.linalg.matrix_exp(0.3 * induced.derivative(a)), induced(torch.linalg.matrix_exp(0.3 * a))
            )
    for sigma in sigmas:
        below = sharing.solve(rho, groups.restrict(sigma, rho.group)).n_free
        assert sharing.solve(induced, sigma).n_free == below
    layer = nn.SharedLinear(induced + group.trivial(), induced).double()
    x, g = torch.randn(3, layer.in_channels, dtype=torch.float64), group.random()
    torch.testing.assert_close(layer(x @ layer.rep_in(g).mT), layer(x) @ layer.rep_out(g).mT, rtol=1e-6, atol=1e-6)


def test_wrong_arguments():
    with pytest.raises(groups.GroupError, match="one size"):
        groups.from_lie_algebra([torch.eye(2), torch.eye(3)])
    with pytest.raises(groups.GroupError, match="one size"):
        groups.from_lie_algebra([])
    with pytest.raises(groups.GroupError, match="singular"):
        groups.from_lie_algebra([torch.zeros(2, 2)], [torch.zeros(2, 2)])
    with pytest.raises(groups.GroupError, match="size of 2"):
        groups.so(1)
    with pytest.raises(groups.GroupError, match="n_free counts"):
        groups.intertwiner_count(groups.so(4).defining(), groups.so(4).defining())
    with pytest.raises(groups.GroupError, match="subgroup"):
        groups.induce(groups.cyclic(5).trivial(), groups.dihedral(4))


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 2 * math.pi / 0.7390851, 1e6])
def test_only_the_span_of_an_algebra_counts(scale):
    turn, boost = torch.tensor([[0.0, -1.0], [1.0, 0.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    V, W = (groups.from_lie_algebra([scale * m]).defining() for m in (turn, boost))
    assert (V.kind, V.orthogonal, W.orthogonal) == ("matrix", True, False)
    assert sharing.solve(V, V).n_free == sharing.null_space(V, V).shape[1] == 2
    assert sharing.solve(W * W, W.group.trivial()).n_free == 2  # the metric and the area
    x, y, _ = groups.so(3).algebra
    space = groups.from_lie_algebra([x, scale * y]).defining()
    assert sharing.solve(space, space).n_free == 1


def test_an_algebra_of_zeros_is_that_of_the_identity():
    G = groups.from_lie_algebra([torch.zeros(2, 2)])
    assert sharing.solve(G.defining(), G.defining()).n_free == 4
    with pytest.raises(groups.GroupError, match="finite"):
        groups.from_lie_algebra([torch.full((2, 2), torch.nan)])


def test_random_elements_reach_every_component():
    quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    G = groups.from_lie_algebra([torch.eye(2)], [quarter])  # stretches, and four turns
    rng = torch.Generator().manual_seed(0)
    turns = {round(math.degrees(math.atan2(g[1, 0], g[0, 0]))) % 360 for g in (G.random(rng) for _ in range(200))}
    assert turns == {0, 90, 180, 270}
