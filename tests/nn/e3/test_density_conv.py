import pytest
import torch

from equishare.nn import DensityConv, Edges, IrrepsLinear, from_e3nn, to_e3nn


def naive(layer, x, basis, harmonics, edge_index):
    """The formula, one edge at a time."""
    n_l = round(harmonics.shape[1] ** 0.5)
    out = x.new_zeros(x.shape[0], harmonics.shape[1], x.shape[2])
    for e, (j, i) in enumerate(edge_index.T.tolist()):
        radial = (layer.radial.weight @ basis[e] / layer.normalization).view(n_l, -1)
        for degree in range(n_l):
            part = slice(degree**2, (degree + 1) ** 2)
            out[i, part] += radial[degree] * x[j, 0] * harmonics[e, part, None]
            if 0 < degree**2 < x.shape[1]:
                out[i, part] += radial[degree] * x[j, part]
    return out


@pytest.mark.parametrize(("irreps", "dim", "l_max"), [("3x0e", 1, 2), ("3x0e+3x1o", 4, 1), ("3x0e+3x1o", 4, 3)])
def test_formula_on_unsorted_edges(irreps, dim, l_max):
    layer = DensityConv(irreps, l_max, 4, normalization=1.7).double()
    index = torch.tensor([[4, 0, 2, 2, 1, 4, 0], [1, 3, 0, 0, 4, 3, 4]])  # a pair twice: two periodic images
    x, basis = torch.randn(6, dim, 3, dtype=torch.float64), torch.randn(7, 4, dtype=torch.float64)
    harmonics = torch.randn(7, (l_max + 1) ** 2, dtype=torch.float64)
    out = layer(x, basis, harmonics, index)
    assert torch.allclose(out, naive(layer, x, basis, harmonics, index), atol=1e-13)
    assert torch.equal(out[[2, 5]], torch.zeros_like(out[[2, 5]]))  # nobody sends to them
    assert torch.equal(out, layer(x, basis, harmonics, Edges(index, 6)))


def test_formula_of_unequal_multiplicities():
    layer = DensityConv("3x0e+2x1o", 2, 4).double()
    index = torch.tensor([[4, 0, 2, 2, 1, 4, 0], [1, 3, 0, 0, 4, 3, 4]])
    x, basis, harmonics = (torch.randn(n, m, dtype=torch.float64) for n, m in ((5, 9), (7, 4), (7, 9)))
    expected = naive(layer, from_e3nn(x, "3x0e+2x1o"), basis, harmonics, index)
    torch.testing.assert_close(layer(x, basis, harmonics, index), to_e3nn(expected, "3x0e+3x1o+3x2e"))


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("edges", [7, 0])
def test_sums_of_kinds_are_the_same_sum(edges, mixed):
    layer = DensityConv("3x0e", 2, 4, normalization=1.7).double()
    mix = IrrepsLinear("3x0e+3x1o+3x2e", "5x0e+5x1o+5x2e").double() if mixed else None
    index = torch.tensor([[4, 0, 2, 2, 1, 4, 0], [1, 3, 0, 0, 4, 3, 4]])[:, :edges]
    kind = torch.tensor([0, 1, 1, 0, 1, 0])
    table, basis, harmonics = (
        torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((2, 3), (edges, 4), (edges, 9))
    )
    summed = layer.of_kinds(layer.kind_weight(table, mix), kind, basis, harmonics, index)
    plain = layer(table[kind].unsqueeze(1), basis, harmonics, Edges(index, 6))
    plain = mix(plain) if mixed else plain
    assert torch.allclose(summed, plain, atol=1e-13)
    inputs, parameters = (table, basis, harmonics), [table, *layer.parameters()]
    factors = torch.randn_like(plain)
    seconds = []
    for out in (summed, plain):
        first = torch.autograd.grad(out.tanh(), inputs, factors, create_graph=True)
        seconds.append((*first, *torch.autograd.grad(sum(part.square().sum() for part in first), parameters)))
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(*seconds, strict=True))


def test_no_edges():
    layer = DensityConv("3x0e+3x1o", 2, 4)
    out = layer(torch.randn(2, 4, 3), torch.zeros(0, 4), torch.zeros(0, 9), torch.zeros(2, 0, dtype=torch.int64))
    assert torch.equal(out, torch.zeros(2, 9, 3))


@pytest.mark.usefixtures("unchecked")
def test_errors():
    for irreps, l_max in [("4x0e+4x1e", 2), ("4x1o", 2), ("4x0e+4x1o+4x2e", 1), ("4x0e+4x2e", 2)]:
        with pytest.raises(ValueError, match="natural parity"):
            DensityConv(irreps, l_max, 4)
    with pytest.raises(ValueError, match="more copies than 0e"):
        DensityConv("4x0e+5x1o", 2, 4)
    with pytest.raises(ValueError, match="normalization"):
        DensityConv("4x0e", 2, 4, normalization=0.0)
    layer = DensityConv("4x0e", 2, 4)
    x, basis, index = torch.randn(3, 1, 4), torch.randn(2, 4), torch.tensor([[0, 1], [1, 3]])
    with pytest.raises(ValueError, match="expected 9 harmonics"):
        layer(x, basis, torch.randn(2, 4), index[:, :1])
    with pytest.raises(ValueError, match=r"names atoms 0\.\.3, but there are 3 atoms"):
        layer(x, basis, torch.randn(2, 9), index)
    with pytest.raises(ValueError, match="expected 9 harmonics"):
        layer.of_kinds(layer.kind_weight(torch.randn(2, 4)), torch.tensor([0, 1, 1]), basis, torch.randn(2, 4), index)
    vectors = DensityConv("4x0e+4x1o", 2, 4)
    with pytest.raises(ValueError, match=r"invariants alone \(0e\)"):
        vectors.kind_weight(torch.randn(2, 4))
    with pytest.raises(ValueError, match="int64"):
        layer(x, basis, torch.randn(2, 9), index.float())
