import pytest
import torch

from equishare._e3nn import o3
from equishare.nn import (
    ChannelTensorProduct,
    Edges,
    IrrepsLinear,
    Layout,
    TensorProduct,
    backend,
    clebsch_gordan,
    from_e3nn,
    to_e3nn,
)

MESSAGE = ("4x0e+4x1o", "0e+1o+2e+3o", "4x0e+4x1o+4x2e+4x3o")
UNUSUAL = ("3x1o+3x0o+3x2e", "1e+2o+0e", None)


def uvu(layer):
    """e3nn's product with one instruction a path, and the sign between its coefficients and ours for each path."""
    signs, instructions = [], []
    for k, ((first, second), degree) in enumerate(zip(layer.paths.factors, layer.layout_out.degrees, strict=True)):
        degrees = layer.layout_in.degrees[first], layer.layout_harmonics.degrees[second], degree
        signs.append((o3.wigner_3j(*degrees) * clebsch_gordan(*degrees)).sum().sign())
        instructions.append((first, second, k, "uvu", True))
    product = o3.TensorProduct(
        layer.layout_in.irreps,
        layer.layout_harmonics.irreps,
        layer.layout_out.irreps,
        instructions,
        shared_weights=False,
        internal_weights=False,
    )
    return product, torch.stack(signs).float()


def draw(layer, n_atoms, n_edges, dtype=torch.float64):
    return (
        torch.randn(n_atoms, layer.layout_in.dim, layer.layout_in.channels, dtype=dtype, requires_grad=True),
        torch.randn(n_edges, layer.layout_harmonics.dim, dtype=dtype, requires_grad=True),
        torch.randn(n_edges, layer.n_paths, layer.layout_in.channels, dtype=dtype, requires_grad=True),
    )


@pytest.mark.parametrize("name", ["numba", "torch"])
@pytest.mark.parametrize("irreps", [MESSAGE, UNUSUAL], ids=["message", "unusual parities"])
def test_same_numbers_as_e3nn(irreps, name):
    """Value, and first and second derivatives, with gather and scatter: to float32's rounding, e3nn's own."""
    layer = ChannelTensorProduct(*irreps)
    theirs, signs = uvu(layer)
    x, y, w = draw(layer, 6, 20, torch.float32)
    sender, receiver = index = torch.randint(6, (2, 20))

    def e3nn_product(x, y, w):
        flat = to_e3nn(x, layer.layout_in.irreps)[sender]
        messages = theirs(flat, y, (w * signs[:, None]).flatten(1))
        return from_e3nn(torch.zeros(6, messages.shape[1]).index_add(0, receiver, messages), layer.layout_out.irreps)

    def derivatives(function):
        out = function(x, y, w)
        first = torch.autograd.grad((out**2).sum(), [x, y, w], create_graph=True)
        return [out, *first, *torch.autograd.grad(sum((g**2).sum() for g in first), [x, y, w])]

    with backend(name):
        ours = derivatives(lambda *a: layer(*a, index))
    for a, b in zip(ours, derivatives(e3nn_product), strict=True):
        assert (a - b).norm() < 3e-6 * b.norm()


def test_formula_without_edges_is_row_by_row():
    layer = ChannelTensorProduct(*UNUSUAL)
    x, y, w = draw(layer, 5, 5)
    expected = []
    for p, ((first, second), (_, ir)) in enumerate(zip(layer.paths.factors, layer.layout_out.irreps, strict=True)):
        ir1, ir2 = layer.layout_in.irreps[first].ir, layer.layout_harmonics.irreps[second].ir
        table = clebsch_gordan(ir1.l, ir2.l, ir.l) * ir.dim**0.5
        a, b = x[:, layer.layout_in.slice(ir1)], y[:, layer.layout_harmonics.slice(ir2)]
        expected.append(torch.einsum("ijk,nic,nj,nc->nkc", table, a, b, w[:, p]))
    assert torch.allclose(layer(x, y, w), torch.cat(expected, dim=1), atol=1e-13)


def test_unequal_multiplicities_are_the_flat_product():
    """The same weights, path after path, as e3nn's 'uvu' with one entry of the output for each path."""
    layer = ChannelTensorProduct("4x0e+2x1o", "0e+1o+2e", "0e+1o")
    factors = enumerate(layer.paths.factors)
    flat = TensorProduct(
        *("4x0e+2x1o", "0e+1o+2e", layer.layout_out.irreps, [(first, second, k) for k, (first, second) in factors]),
        mode="uvu",
        weight="given",
    )
    assert layer.weight_numel == flat.weight_numel == 4 + 2 + 4 + 2 + 2
    x, y, w = (torch.randn(5, n, dtype=torch.float64) for n in (10, 9, 14))
    torch.testing.assert_close(layer(x, y, w), flat.double()(x, y, w))
    with pytest.raises(ValueError, match=r"\[edges, 14\], got \[5, 5, 4\]"):
        layer(x, y, torch.zeros(5, 5, 4, dtype=torch.float64))


def test_every_path_that_o3_allows_is_there_in_e3nns_order():
    layer = ChannelTensorProduct(*UNUSUAL)
    first, second = o3.Irreps("1o+0o+2e"), o3.Irreps("1e+2o+0e")
    allowed = sorted(ir for _, a in first for _, b in second for ir in a * b)
    assert [ir for _, ir in layer.layout_out.irreps] == allowed


def test_a_linear_map_mixes_the_paths(orthogonal):
    """Paths to one irrep are more channels of it: the map after the product is e3nn's o3.Linear on its sorted output."""
    layer = ChannelTensorProduct(*MESSAGE)
    mix = IrrepsLinear(layer.layout_out.irreps, "5x0e+5x1o+5x2e").double()
    assert mix.weight.shape == (2 + 3 + 3, 4, 5)
    z = torch.randn(6, layer.layout_out.dim, 4, dtype=torch.float64)
    blocks = z.split([ir.dim for _, ir in layer.layout_out.irreps], dim=1)
    expected, pair = [], 0
    for ir in ("0e", "1o", "2e"):
        same = [b for b, (_, other) in zip(blocks, layer.layout_out.irreps, strict=True) if str(other) == ir]
        expected.append(sum(torch.einsum("nmc,cd->nmd", b, mix.weight[pair + k]) for k, b in enumerate(same)) / 2)
        pair += len(same)
    assert torch.allclose(mix(z), torch.cat(expected, dim=1), atol=1e-13)
    g = orthogonal(True)
    turned = torch.einsum("ij,njc->nic", layer.layout_out.matrix(g), z)
    assert torch.allclose(mix(turned), torch.einsum("ij,njc->nic", mix.layout_out.matrix(g), mix(z)), atol=1e-12)


def test_an_atom_without_neighbours_and_no_edges():
    layer = ChannelTensorProduct(*MESSAGE)
    x, y, w = draw(layer, 4, 3)
    index = torch.tensor([[0, 1, 2], [1, 0, 1]])
    assert layer(x, y, w, index)[2:].abs().max() == 0
    assert layer(x, y[:0], w[:0], Edges(index[:, :0], 4)).abs().max() == 0
    assert layer(x[:0], y[:0], w[:0]).shape == (0, 40, 4)


def test_it_has_no_weights_and_says_what_it_multiplies():
    layer = ChannelTensorProduct(*MESSAGE)
    assert layer.state_dict() == {}
    assert "4x0e+4x1o x 1x0e+1x1o+1x2e+1x3o -> 4x0e+4x0e" in repr(layer)


def test_repeated_irreps_go_to_e3nn_and_back():
    irreps = ChannelTensorProduct(*MESSAGE).layout_out.irreps
    x = torch.randn(3, irreps.dim)
    assert torch.equal(to_e3nn(from_e3nn(x, irreps), irreps), x)
    with pytest.raises(ValueError, match="distinct"):
        Layout.of(irreps)


@pytest.mark.usefixtures("unchecked")
def test_errors():
    with pytest.raises(ValueError, match="one channel"):
        ChannelTensorProduct("4x0e", "4x0e", "4x0e")
    with pytest.raises(ValueError, match=r"not reached: \['1e'\]"):
        ChannelTensorProduct("4x0e", "1o", "4x1e")
    layer = ChannelTensorProduct(*MESSAGE)
    x, y, w = draw(layer, 3, 3)
    with pytest.raises(ValueError, match="expected features of shape"):
        layer(x[:, :2], y, w)
    with pytest.raises(ValueError, match=r"weight of shape \[edges=3, paths=10, channels=4\], got \[3, 9, 4\]"):
        layer(x, y, w[:, :9])
    with pytest.raises(ValueError, match="of one type"):
        layer(x, y.float(), w)
