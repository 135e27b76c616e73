import pytest
import torch

from equishare._e3nn import o3
from equishare.nn import ChannelProduct, Layout, clebsch_gordan, from_e3nn

SYMMETRIC = ("3x0e+3x1o+3x2e", None, "3x0e+3x1o+3x2e")
GENERAL = ("3x1o+3x0o", "3x1e+3x2o+3x0e", "3x1o+3x0o+3x2e")


def naive(layer, left, right, kind):
    """The formula, path by path, from whole coupling tensors; a symmetric pair of irreps counts once."""
    out = left.new_zeros(left.shape[0], layer.layout_out.dim, left.shape[2])
    for p, (a, b, c) in enumerate(layer.coupling.paths):
        (ir1, ir2, ir3) = (
            layout.irreps[k].ir
            for layout, k in ((layer.layout_left, a), (layer.layout_right, b), (layer.layout_out, c))
        )
        table = clebsch_gordan(ir1.l, ir2.l, ir3.l) * ir3.dim**0.5
        x, y = left[:, layer.layout_left.slice(ir1)], right[:, layer.layout_right.slice(ir2)]
        part = layer.layout_out.slice(ir3)
        out[:, part] += layer.weight[kind, p].unsqueeze(1) * torch.einsum("ijk,nic,njc->nkc", table, x, y)
    return out


@pytest.mark.parametrize("irreps", [SYMMETRIC, GENERAL], ids=["with itself", "of two"])
@pytest.mark.parametrize("n_kinds", [1, 3])
def test_formula(irreps, n_kinds):
    layer = ChannelProduct(*irreps, n_kinds).double()
    left = torch.randn(5, layer.layout_left.dim, 3, dtype=torch.float64)
    right = None if irreps[1] is None else torch.randn(5, layer.layout_right.dim, 3, dtype=torch.float64)
    kind = torch.tensor([0, 2, 1, 1, 0]) % n_kinds
    expected = naive(layer, left, left if right is None else right, kind)
    assert torch.allclose(layer(left, right, kind), expected, atol=1e-13)
    if n_kinds == 1:
        assert torch.allclose(layer(left, right), expected, atol=1e-13)


def test_every_path_that_o3_allows_is_there():
    layer = ChannelProduct(*GENERAL)
    irreps = [Layout.of(text).irreps for text in GENERAL]
    allowed = {
        (i, j, k)
        for i, (_, a) in enumerate(irreps[0])
        for j, (_, b) in enumerate(irreps[1])
        for k, (_, c) in enumerate(irreps[2])
        if c in a * b
    }
    assert set(layer.coupling.paths) == allowed
    assert len(allowed) == len(layer.coupling.paths)


def test_with_itself_spans_every_quadratic_map():
    """One channel: as many paths as e3nn finds in the symmetric square (l = 0, 1, 2: 3 + 2 + 4 paths to 0e, 1o, 2e)."""
    layer = ChannelProduct("1x0e+1x1o+1x2e", None, "1x0e+1x1o+1x2e")
    square = o3.ReducedTensorProducts("ij=ji", i="0e+1o+2e").irreps_out
    wanted = sum(mul for mul, ir in square if str(ir) in ("0e", "1o", "2e"))
    assert len(layer.coupling.paths) == wanted
    x = torch.randn(40, 9, 1)
    columns = []
    for p in range(wanted):
        with torch.no_grad():
            layer.weight.zero_()
            layer.weight[0, p] = 1
        columns.append(layer(x).flatten())
    assert int(torch.linalg.matrix_rank(torch.stack(columns).detach())) == wanted


def test_no_atoms():
    assert ChannelProduct(*SYMMETRIC)(torch.zeros(0, 9, 3)).shape == (0, 9, 3)


def test_errors():
    with pytest.raises(ValueError, match=r"4x0e \(reached: 2\)"):
        ChannelProduct("4x0e", "2x0e", "4x0e")
    with pytest.raises(ValueError, match=r"no path .* to all copies of \['4x1o \(reached: 0\)'\]"):
        ChannelProduct("4x0e", "4x0e", "4x0e+4x1o")
    with pytest.raises(ValueError, match="takes one feature"):
        ChannelProduct("4x0e", None, "4x0e")(torch.zeros(2, 1, 4), torch.zeros(2, 1, 4))
    with pytest.raises(ValueError, match="kind of each atom"):
        ChannelProduct("4x0e", None, "4x0e", n_kinds=2)(torch.zeros(2, 1, 4))
    with pytest.raises(ValueError, match="expected left of shape"):
        ChannelProduct("4x0e", None, "4x0e")(torch.zeros(2, 3, 4))


def test_unequal_multiplicities_are_equal_ones_with_nothing_in_some_channels():
    irreps = "4x0e+2x1o", "3x0e+1x1o+4x2e", "3x0e+2x1o+1x1e"
    layer = ChannelProduct(*irreps).double()
    assert layer.weight.numel() == 3 + 1 + (1 + 2 + 2) + 1  # the channels that all three irreps of a path have
    full = ChannelProduct("4x0e+4x1o", "4x0e+4x1o+4x2e", "4x0e+4x1o+4x1e").double()
    with torch.no_grad():
        full.weight.copy_(layer._table(layer.weight))
    left, right = torch.randn(5, 10).double(), torch.randn(5, 26).double()
    expected = full(from_e3nn(left, irreps[0]), from_e3nn(right, irreps[1]))
    torch.testing.assert_close(
        layer(left, right),
        torch.cat(
            [expected[:, k : k + d, :n].transpose(1, 2).flatten(1) for k, d, n in ((0, 1, 3), (1, 3, 2), (4, 3, 1))],
            dim=1,
        ),
    )
    layer(left, right).square().sum().backward()
    assert bool((layer.weight.grad != 0).all())
    big = ChannelProduct("64x0e+32x1o", None, "64x0e+32x1o")
    out = big(torch.randn(3000, 160))
    assert out[:, :64].var(dim=0).mean().item() == pytest.approx(
        2, abs=0.5
    )  # squares of normal numbers, one path or two
