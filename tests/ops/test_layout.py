import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equishare._e3nn import o3
from equishare.nn import Layout, from_e3nn, to_e3nn

ALL = [o3.Irrep(degree, parity) for degree in range(4) for parity in (-1, 1)]
some_irreps = st.builds(
    o3.Irreps,
    st.lists(
        st.tuples(st.integers(1, 5), st.sampled_from(ALL)), min_size=1, max_size=5, unique_by=lambda pair: pair[1]
    ),
)


@given(some_irreps, st.integers(0, 4))
def test_converters_are_inverse(irreps, n):
    flat = torch.arange(n * irreps.dim, dtype=torch.float64).reshape(n, irreps.dim)
    layout = Layout.of(irreps)
    ours = from_e3nn(flat, irreps)
    assert ours.shape == (n, layout.dim, layout.channels)
    assert torch.equal(to_e3nn(ours, irreps), flat)
    assert ours.abs().sum() == flat.abs().sum()  # zero where there are no copies
    assert layout.whole == (len({mul for mul, _ in irreps}) == 1)


@given(some_irreps)
def test_slices_tile_the_components(irreps):
    layout = Layout.of(irreps)
    covered = [k for _, ir in irreps for k in range(*layout.slice(ir).indices(layout.dim))]
    assert covered == list(range(layout.dim))


@pytest.mark.parametrize("improper", [False, True])
def test_matrix_is_e3nn_action(improper, orthogonal):
    """Only to float32's rounding, for that is how far e3nn 0.6 computes its own matrices."""
    irreps = o3.Irreps("3x1o + 3x0e + 3x0o + 3x2e + 3x1e + 3x3e")
    g = orthogonal(improper)
    x = torch.randn(4, irreps.dim, dtype=torch.float64)
    theirs = x @ irreps.D_from_matrix(g).to(x).T
    ours = torch.einsum("ij,njc->nic", Layout.of(irreps).matrix(g), from_e3nn(x, irreps))
    assert (to_e3nn(ours, irreps) - theirs).norm() < 1e-5 * theirs.norm()


def test_matrix_is_a_representation_in_float64(orthogonal):
    layout = Layout.of("1x0o + 1x1e + 1x2o + 1x3o + 1x6e")
    g, h = orthogonal(True), orthogonal(False)
    assert (layout.matrix(g @ h) - layout.matrix(g) @ layout.matrix(h)).norm() < 1e-12
    assert (layout.matrix(g) @ layout.matrix(g).T - torch.eye(layout.dim)).norm() < 1e-12


@pytest.mark.parametrize("irreps", ["", "4x0e + 2x1o + 4x0e", "0x0e"])
def test_irreps_that_have_no_layout(irreps):
    with pytest.raises(ValueError, match="distinct irreps with some copies"):
        Layout.of(irreps)


def test_unequal_multiplicities_travel_flat():
    layout = Layout.of("4x0e + 0x1e + 2x1o")
    assert layout.irreps == o3.Irreps("4x0e + 2x1o")
    assert layout.present.tolist() == [[True] * 4, [True, True, False, False]]
    with pytest.raises(ValueError, match=r"e3nn's \[atoms, 10\] for irreps 4x0e\+2x1o, got \[5, 4, 4\]"):
        layout.read(torch.zeros(5, 4, 4))
    with pytest.raises(ValueError, match="come out in e3nn's flat layout"):
        layout.write(torch.zeros(5, 4, 4), flat=False)
    with pytest.raises(ValueError, match="convert them"):
        layout.read(torch.zeros(5, 10, dtype=torch.int64))


def test_errors_say_the_shape():
    with pytest.raises(ValueError, match=r"atoms, 32"):
        from_e3nn(torch.zeros(5, 31), "8x0e + 8x1o")
    with pytest.raises(ValueError, match=r"atoms, 4, 8"):
        to_e3nn(torch.zeros(5, 3, 8), "8x0e + 8x1o")
    with pytest.raises(ValueError, match="2e is not among"):
        Layout.of("8x0e + 8x1o").slice("2e")
