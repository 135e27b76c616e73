import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equishare._e3nn import o3
from equishare.check.models.symmetry.cartesian import Cartesian
from equishare.check.models.symmetry.element import Element
from equishare.check.models.symmetry.image import Image
from equishare.check.models.symmetry.index import Index
from equishare.check.models.symmetry.irreps import Irreps
from equishare.check.models.symmetry.represented import Represented
from equishare.groups import so3


def orthogonal(seed, improper=False):
    R = so3().random(torch.Generator().manual_seed(seed))
    return -R if improper else R


@pytest.mark.parametrize("degree", range(7))
@pytest.mark.parametrize("improper", [False, True])
def test_irreps_turn_as_spherical_harmonics_do(degree, improper):
    R = orthogonal(degree, improper)
    x = torch.randn(20, 3, dtype=torch.float64)
    turned = o3.spherical_harmonics(degree, x @ R.T, True)
    irreps = Irreps(f"{degree}{'eo'[degree % 2]}")
    expected = irreps.apply(o3.spherical_harmonics(degree, x, True), Element(orthogonal=R))
    assert (turned - expected).abs().max() < 1e-12


@given(seed=st.integers(0, 1000), improper=st.booleans())
@settings(max_examples=20)
def test_irreps_are_a_representation(seed, improper):
    irreps = Irreps("2x0e+0o+2x1e+1o+2e+3o")
    g, h = orthogonal(seed, improper), orthogonal(seed + 1)
    x = torch.randn(5, o3.Irreps(irreps.irreps).dim, dtype=torch.float64)
    both = irreps.apply(x, Element(orthogonal=g @ h))
    assert (both - irreps.apply(irreps.apply(x, Element(orthogonal=h)), Element(orthogonal=g))).abs().max() < 1e-11


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_vectors_are_1o_in_another_order(dtype):
    v = torch.randn(6, 3, dtype=dtype)
    g = Element(orthogonal=orthogonal(3, True))
    # e3nn's 1o is (y, z, x) = (-1, 0, 1) of its own axes: Cartesian vectors as they are
    assert torch.allclose(Cartesian(1).apply(v, g), Irreps("1o").apply(v, g), atol=1e-6)


def test_a_matrix_turns_on_both_sides():
    T = torch.randn(4, 3, 3, dtype=torch.float64)
    R = orthogonal(1)
    assert torch.allclose(Cartesian(2).apply(T, Element(orthogonal=R)), R @ T @ R.T)


def test_a_cross_product_is_a_pseudovector():
    a, b = torch.randn(2, 7, 3, dtype=torch.float64)
    g = Element(orthogonal=orthogonal(2, True))
    vector = Cartesian(1)
    product = torch.linalg.cross(vector.apply(a, g), vector.apply(b, g))
    assert torch.allclose(product, Cartesian(1, pseudo=True).apply(torch.linalg.cross(a, b), g))


def test_translations_move_positions_and_not_their_gradients():
    r = torch.zeros(2, 3)
    g = Element(translation=torch.tensor([1.0, 2, 3]))
    positions = Cartesian(1, along="atoms", moves=True)
    assert positions.apply(r, g).tolist() == [[1, 2, 3], [1, 2, 3]]
    assert positions.linear(r, g).tolist() == r.tolist()


@given(st.permutations(range(6)))
def test_renamed_edges_join_the_same_atoms(order):
    g = Element(permutations={"atoms": torch.tensor(order)})
    edges = torch.tensor([[0, 1, 2, 5], [3, 4, 5, 0]])
    x = torch.arange(6) * 10
    moved = Cartesian(along="atoms").apply(x, g)
    assert moved[Index().apply(edges, g)].tolist() == x[edges].tolist()


@pytest.mark.parametrize(("turns", "flip"), [(k, f) for k in range(4) for f in (False, True)])
def test_the_group_axis_carries_the_regular_representation(turns, flip):
    """A lifting correlation with all turned and mirrored filters turns into itself with the image."""
    filters = torch.randn(1, 1, 3, 3, dtype=torch.float64)
    elements = [(r, m) for m in (0, 1) for r in range(4)]
    bank = torch.cat([Image().apply(filters, Element(turns=r, flip=bool(m))) for r, m in elements])
    x = torch.randn(1, 1, 8, 8, dtype=torch.float64)
    g = Element(turns=turns, flip=flip)

    def lift(image):
        return torch.nn.functional.conv2d(image, bank, padding=1)

    assert torch.allclose(lift(Image().apply(x, g)), Image(group_axis=1).apply(lift(x), g))


def test_shapes_that_do_not_fit_are_refused():
    g = Element(orthogonal=orthogonal(0))
    with pytest.raises(ValueError, match="size 3"):
        Cartesian(1).apply(torch.ones(4), g)
    with pytest.raises(ValueError, match="dimension 4"):
        Irreps("0e+1o").apply(torch.ones(5), g)
    with pytest.raises(ValueError, match="square"):
        Image().apply(torch.ones(2, 3), Element(turns=1))


class Signs:
    group = "Z2"
    size = 2

    def matrix(self, g):
        return torch.diag(torch.tensor([1.0, float(g)]))


def test_a_representation_acts_on_its_fibre():
    x = torch.ones(3, 2, 4)
    moved = Represented(Signs(), fibre=1).apply(x, Element(abstract=-1))
    assert moved[:, 0].min() == 1
    assert moved[:, 1].max() == -1
    with pytest.raises(ValueError, match="size 2"):
        Represented(Signs()).apply(x, Element(abstract=-1))
