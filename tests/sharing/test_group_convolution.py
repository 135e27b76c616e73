"""Hand-written (group) convolutions against the null space and against torch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from equishare import groups, sharing

TOLERANCE = 1e-9


def steps():
    C2, C4, D1, D2, D4 = (
        groups.cyclic(2),
        groups.cyclic(4),
        groups.dihedral(1),
        groups.dihedral(2),
        groups.dihedral(4),
    )
    for G, kernel in [
        (C2, (4,)),
        (C2, (5,)),
        (D1, (3,)),
        (C2, (2, 3)),
        (D2, (3, 2)),
        (C4, (3, 3)),
        (C4, (2, 2)),
        (D4, (3, 3)),
    ]:
        yield G, kernel, G.trivial()
        yield G, kernel, G.regular()
    yield C2, (3,), C2.action([(3, 2, 1, 0)])
    yield D4, (3, 3), D4.sign()
    yield D4, (2, 2), D4.quotient(D4.subgroup(D4.generators[1]))
    yield groups.octahedral(), (3, 3, 3), groups.octahedral().trivial()
    yield groups.octahedral(), (2, 2, 2), groups.octahedral().defining()


STEPS = list(steps())


@pytest.mark.parametrize(("G", "kernel", "field"), STEPS, ids=lambda x: repr(x))
def test_group_convolution_spans_the_null_space(G, kernel, field):
    """As maps from (field, tap) to the regular representation, all equivariant filters and no others."""
    pattern = sharing.group_convolution(G, kernel, field)
    taps = groups.grid_permutation(G, kernel)
    rep_in, rep_out = field * taps, G.regular()
    assert pattern.n_free == field.size * taps.size == groups.intertwiner_count(rep_in, rep_out)
    if rep_in.size * rep_out.size <= 700:
        oracle = sharing.null_space(rep_in, rep_out)
        assert sharing.subspace_distance(pattern.as_matrix(), oracle) < TOLERANCE
    else:
        solved = sharing.solve(rep_in, rep_out)
        assert sharing.subspace_distance(pattern.as_matrix(), solved.as_matrix()) < TOLERANCE


@pytest.mark.parametrize("full", [False, True])
def test_octahedral_regular_convolution_is_the_solved_one(full):
    G = groups.octahedral(full)
    pattern = sharing.group_convolution(G, (3, 3, 3) if not full else (2, 2, 2))
    taps = groups.grid_permutation(G, pattern.shape[2:])
    solved = sharing.solve(G.regular() * taps, G.regular())
    # two partitions of the entries are equal if each pair of labels occurs once
    labels = torch.stack([pattern.index.flatten(), solved.index.flatten()])
    assert pattern.n_free == solved.n_free == torch.unique(labels, dim=1).shape[1]


@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 2, 2)])
def test_circular_convolution_is_the_commutant_of_translations(shape):
    T = groups.translations(shape)
    pattern = sharing.toeplitz(shape, shape, padding_mode="circular", padding=0)
    assert pattern.shape[0] == 1  # without padding the kernel fits once
    points = T.permutation()
    oracle = sharing.null_space(points, points)
    circulant = sharing.IndexPattern(_circulant(shape))
    assert sharing.subspace_distance(circulant.as_matrix(), oracle) < TOLERANCE


def _circulant(shape):
    """index[o, i] = i - o on the torus."""
    grid = torch.cartesian_prod(*[torch.arange(n) for n in shape]).reshape(-1, len(shape))
    difference = (grid[None] - grid[:, None]) % torch.tensor(shape)
    index = torch.zeros(difference.shape[:2], dtype=torch.long)
    for axis, n in enumerate(shape):
        index = index * n + difference[..., axis]
    return index


@pytest.mark.parametrize("n", [3, 5])
def test_circular_toeplitz_with_full_kernel_is_the_circulant(n):
    pattern = sharing.toeplitz(n, n, padding=n // 2, padding_mode="circular")
    assert sharing.span_distance(pattern, sharing.IndexPattern(_circulant((n,)))) < TOLERANCE


@settings(max_examples=60)
@given(
    grid=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    mode=st.sampled_from(["zeros", "circular", "reflect", "replicate"]),
    channels=st.tuples(st.integers(1, 2), st.integers(1, 2)),
)
def test_toeplitz_matrix_is_what_torch_computes(grid, kernel, stride, padding, dilation, mode, channels):
    dimension, span = len(grid), dilation * (kernel - 1) + 1
    fits = all(n + 2 * padding >= span for n in grid)
    fits &= not (mode == "reflect" and any(padding >= n for n in grid))
    fits &= not (mode == "circular" and any(padding > n for n in grid))
    settings_ = {"stride": stride, "padding": padding, "dilation": dilation, "padding_mode": mode}
    c_in, c_out = channels
    if not fits:
        with pytest.raises(sharing.SharingError, match="do not fit"):
            sharing.toeplitz(kernel, grid, **settings_)
        return
    layer = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimension - 1]
    conv = layer(c_in, c_out, kernel, bias=False, dtype=torch.float64, **settings_)
    pattern = sharing.toeplitz(kernel, grid, in_channels=c_in, out_channels=c_out, **settings_)
    x = torch.randn(1, c_in, *grid, dtype=torch.float64)
    matrix = pattern.expand(conv.weight.flatten())
    assert torch.allclose(matrix @ x.flatten(), conv(x).flatten(), atol=1e-10)


def test_toeplitz_reduction_of_one_filter():
    pattern = sharing.toeplitz(3, (32, 32))
    assert pattern.shape == (900, 1024)
    assert pattern.n_free == 9


@pytest.mark.parametrize("G", [groups.cyclic(3), groups.cyclic(8), groups.dihedral(3), groups.dihedral(4)], ids=repr)
@pytest.mark.parametrize("kernel", [3, 4])
@pytest.mark.parametrize("lifting", [True, False])
def test_steerable_filters_are_all_band_limited_intertwiners(G, kernel, lifting):
    field = G.trivial() if lifting else G.regular()
    by_hand = sharing.steerable_convolution(G, kernel, field)
    solved = sharing.solve_steerable(G, kernel, field, G.regular())
    assert by_hand.n_free == solved.n_free
    assert sharing.span_distance(by_hand, solved) < TOLERANCE


@pytest.mark.parametrize("kernel", [3, 4, 5])
def test_steerable_filters_turn_exactly_by_quarter_turns(kernel):
    """Where the group maps the grid to itself, steerable filters lie within the exact ones."""
    G = groups.dihedral(4)
    exact = torch.linalg.qr(sharing.group_convolution(G, (kernel, kernel), G.trivial()).as_matrix())[0]
    steerable = sharing.steerable_convolution(G, kernel, G.trivial()).as_matrix()
    assert torch.allclose(exact @ (exact.mT @ steerable), steerable, atol=1e-12)
    assert torch.linalg.matrix_rank(steerable) == steerable.shape[1]


def test_errors():
    with pytest.raises(groups.GroupError, match="grid to itself"):
        sharing.group_convolution(groups.cyclic(8), (3, 3))
    with pytest.raises(groups.GroupError, match="grid to itself"):
        sharing.group_convolution(groups.cyclic(4), (3, 2))
    with pytest.raises(groups.GroupError, match="dimensions"):
        sharing.group_convolution(groups.cyclic(4), (3, 3, 3))
    with pytest.raises(sharing.SharingError, match="signed"):
        sharing.group_convolution(groups.cyclic(8), (1, 1), groups.cyclic(8).defining())
    with pytest.raises(sharing.SharingError, match="finite groups"):
        sharing.steerable_convolution(groups.symmetric(4), 3)
    with pytest.raises(sharing.SharingError, match="padding_mode"):
        sharing.toeplitz(3, 5, padding_mode="mirror")
    with pytest.raises(sharing.SharingError, match="whole numbers"):
        sharing.toeplitz((3, 3), 5)
