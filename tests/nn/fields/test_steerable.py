"""Convolutions for SO(2), O(2), SO(3), O(3) and the icosahedral group: the law on the grid and between its points."""

import math

import pytest
import torch

from equishare import groups, nn, sharing
from equishare.groups.lattice import grid_coordinates, grid_permutation
from equishare.sharing.bilinear import bilinear
from equishare.sharing.harmonics import Harmonics

SO2, O2, SO3, O3 = groups.so2(), groups.o2(), groups.so3(), groups.o3()
PLANE = 2 * SO2.trivial() + SO2.irrep(1) + SO2.irrep(2)
MIRRORED = O2.trivial() + O2.sign() + O2.irrep(1)
SPACE, POINTS = SO3.irreps("0e+1e+2e"), O3.irreps("0e+1o+1e")
ICO = groups.icosahedral()


@pytest.mark.parametrize(
    ("left", "right", "out"),
    [
        (PLANE, SO2.irrep(1) + SO2.irrep(3), PLANE),
        (MIRRORED, MIRRORED, MIRRORED),
        (O3.irreps("0e+1o"), O3.irreps("2x1o"), O3.irreps("0e+1e+2e")),
        (
            groups.symmetric(3).permutation() + groups.symmetric(3).sign(),
            groups.symmetric(3).permutation(),
            groups.symmetric(3).permutation(),
        ),
        (groups.lorentz().defining(), groups.lorentz().defining().dual(), groups.lorentz().trivial()),
    ],
)
def test_bilinear_maps_are_complete(left, right, out):
    pattern = bilinear(left, right, out)
    whole = sharing.null_space(left * right, out)
    assert sharing.subspace_distance(pattern.as_matrix(), whole) < 1e-9


def smooth_image(points, rep, angle_matrix):
    """A field of some blobs, turned: rho(g) f(g^-1 x) evaluated at the grid's own points, so that nothing is interpolated."""
    generator = torch.Generator().manual_seed(3)
    count, dimension = 6, points.shape[1]
    centres = 5 * (torch.rand(count, dimension, generator=generator, dtype=torch.float64) - 0.5)
    values = torch.randn(count, rep.size, generator=generator, dtype=torch.float64)
    back = points @ angle_matrix
    weights = torch.exp(-(torch.cdist(back, centres) ** 2) / (2 * 1.8**2))
    return weights @ values @ rep.matrix(angle_matrix).mT


@pytest.mark.parametrize(
    ("group", "field_in", "field_out", "kernel", "size"),
    [
        (SO2, PLANE, PLANE, 5, 15),
        (O2, MIRRORED, MIRRORED, 5, 15),
        (SO3, SPACE, SPACE, 3, 7),
        (O3, POINTS, POINTS, 3, 7),
    ],
    ids=str,
)
def test_exact_for_what_keeps_the_grid(group, field_in, field_out, kernel, size):
    dimension = 2 if group in (SO2, O2) else 3
    conv = {2: nn.GroupConv2d, 3: nn.GroupConv3d}[dimension](
        group, 1, 2, kernel, field_in=field_in, field_out=field_out
    ).double()
    torch.nn.init.normal_(conv.bias)
    assert not conv.exact
    lattice = groups.dihedral(4) if dimension == 2 else groups.octahedral(full=True)
    x = torch.randn(2, conv.in_channels, *(size,) * dimension, dtype=torch.float64)
    for g in lattice.generators:
        matrix = lattice.defining()(g)
        if torch.linalg.det(matrix) < 0 and not group.improper:
            matrix = -matrix if dimension == 3 else None
        if matrix is None:
            continue
        grid = groups.from_matrices([matrix])
        image = torch.as_tensor(grid_permutation(grid, (size,) * dimension).image(grid.generators[0]))

        def act(y, rep, image=image, matrix=matrix):
            moved = torch.empty_like(y).flatten(2)
            moved[:, :, image] = y.flatten(2)
            return torch.einsum("ij,bjp->bip", rep.matrix(matrix), moved).reshape(y.shape)

        torch.testing.assert_close(conv(act(x, conv.rep_in)), act(conv(x), conv.rep_out))


@pytest.mark.parametrize(
    ("group", "field", "kernel", "bound"),
    [
        (SO2, PLANE, 5, 0.03),
        (SO2, PLANE, 7, 0.03),
        (O2, MIRRORED, 5, 0.03),
        (SO3, SPACE, 3, 0.05),
        (SO3, SPACE, 5, 0.03),
        (O3, POINTS, 5, 0.03),
    ],
)
def test_between_the_grid_s_points_the_error_is_that_of_sampling(group, field, kernel, bound):
    """At the centre, the response to a turned image is the turned response; filters that do not turn miss it by their own size."""
    dimension = 2 if group in (SO2, O2) else 3
    torch.manual_seed(0)
    conv = {2: nn.GroupConv2d, 3: nn.GroupConv3d}[dimension](
        group, 1, 4, kernel, field_in=field, field_out=field, bias=False
    ).double()
    size = 2 * kernel + 1
    points = grid_coordinates((size,) * dimension)
    centre = (size**dimension) // 2
    wrong, whole = 0.0, 0.0
    straight = conv(smooth_image(points, field, torch.eye(dimension).double()).T.reshape(1, -1, *(size,) * dimension))
    for _ in range(5):
        g = group.random()
        turned = conv(smooth_image(points, field, g).T.reshape(1, -1, *(size,) * dimension))
        difference = turned.flatten(2)[0, :, centre] - conv.rep_out.matrix(g) @ straight.flatten(2)[0, :, centre]
        wrong, whole = (
            wrong + float(difference.square().sum().detach()),
            whole + float(straight.flatten(2)[0, :, centre].square().sum().detach()),
        )
    assert math.sqrt(wrong / whole) < bound


def test_icosahedral_filters():
    lifting = nn.GroupConv3d(ICO, 1, 1, 3, lifting=True).double()
    deep = nn.GroupConv3d(ICO, 1, 1, 3, field_in=ICO.defining(), field_out=ICO.trivial() + ICO.defining()).double()
    keeping = [
        g for g in ICO.elements if (ICO.defining()(g).abs() > 1e-9).sum() == 3
    ]  # signed axis permutations among them
    assert len(keeping) == 12
    for conv in (lifting, deep):
        x = torch.randn(1, conv.in_channels, 5, 5, 5, dtype=torch.float64)
        for g in (keeping[1], keeping[5]):
            subgroup = ICO.subgroup(g)
            image = torch.as_tensor(grid_permutation(subgroup, (5, 5, 5)).image(g))

            def act(y, rep, image=image, g=g):
                moved = torch.empty_like(y).flatten(2)
                moved[:, :, image] = y.flatten(2)
                return torch.einsum("ij,bjp->bip", rep.matrix(g), moved).reshape(y.shape)

            torch.testing.assert_close(conv(act(x, conv.rep_in)), act(conv(x), conv.rep_out))


@pytest.mark.parametrize("m_in", [0, 1, 2])
@pytest.mark.parametrize("m_out", [0, 1, 3])
def test_counts_of_filters_on_one_ring(m_in, m_out):
    """SO(2): a kernel from frequency m to n holds the harmonics |m - n| and m + n (Weiler & Cesa 2019, table 8)."""
    ring = Harmonics(2, tuple((1.0, m) for m in range(7)), 0.6).representation(SO2)
    found = bilinear(SO2.irrep(m_in), ring, SO2.irrep(m_out)).n_free
    expected = 1 if m_in == m_out == 0 else 2 if 0 in (m_in, m_out) else 4
    assert found == expected


@pytest.mark.usefixtures("unchecked")
def test_what_is_refused():
    with pytest.raises(nn.EquivarianceError, match="give field_in"):
        nn.GroupConv2d(SO2, 1, 1, 3)
    with pytest.raises(nn.EquivarianceError, match="2 dimensions"):
        nn.GroupConv2d(SO3, 1, 1, 3, field_in=SPACE, field_out=SPACE)
    with pytest.raises(nn.EquivarianceError, match="finite group"):
        nn.GroupConv1d(O2, 1, 1, 3, field_in=MIRRORED, field_out=MIRRORED)
