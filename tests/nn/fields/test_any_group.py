"""Layers for any group: products, gates, whole networks, and convolutions on points, over random elements."""

from functools import partial

import pytest
import torch

from equishare import groups, nn, sharing

SO2, O2, SO3, O3 = groups.so2(), groups.o2(), groups.so3(), groups.o3()
C6, ICO, D4 = groups.cyclic(6), groups.icosahedral(), groups.dihedral(4)
LORENTZ, SP2, SU2, SO4 = groups.lorentz(), groups.sp(2), groups.su(2), groups.so(4)
MIXED = groups.direct(groups.so(3), groups.symmetric(3))
ATOMS = MIXED.of_factor(1, groups.symmetric(3).permutation()) * MIXED.of_factor(0, groups.so(3).defining())


def tensors(group):
    return 2 * group.trivial() + 2 * group.defining()


CASES = {
    "Bilinear": [
        *(partial(nn.Bilinear, tensors(g), tensors(g), tensors(g)) for g in (LORENTZ, SP2, SU2, SO4, D4)),
        partial(nn.Bilinear, O3.irreps("3x0e+2x1o+1e"), O3.irreps("0e+2x1o"), O3.irreps("2x0e+1o+2e+0o")),
        partial(nn.Bilinear, ATOMS, ATOMS, ATOMS + MIXED.trivial()),
        partial(nn.Bilinear, D4.regular(), D4.defining(), 2 * D4.regular()),
    ],
    "GatedActivation": [
        *(partial(nn.GatedActivation, tensors(g)) for g in (LORENTZ, SP2, SO4, D4)),
        partial(nn.GatedActivation, 2 * D4.regular() + D4.trivial()),
        partial(nn.GatedActivation, 3 * D4.trivial()),
    ],
    "EMLP": [
        partial(nn.EMLP, 3 * LORENTZ.defining(), LORENTZ.trivial() + LORENTZ.defining(), width=20, layers=2),
        partial(nn.EMLP, 2 * SO4.defining(), SO4.defining() * SO4.defining(), width=30, layers=2, order=2),
        partial(nn.EMLP, 2 * O3.defining(), O3.trivial(), width=16, layers=2),
        partial(nn.EMLP, 2 * ATOMS, MIXED.trivial(), width=30, layers=2, vector=ATOMS),
        partial(nn.EMLP, ATOMS, MIXED.trivial() + ATOMS, width=20, layers=2),
        partial(nn.EMLP, 2 * groups.symmetric(4).permutation(), groups.symmetric(4).permutation(), width=20, layers=2),
    ],
    "PointConv": [
        partial(nn.PointConv, g, 2, 2, field, field, radii=(0.0, 0.7, 1.4))
        for g, field in (
            (SO2, SO2.trivial() + SO2.irrep(1) + SO2.irrep(2)),
            (O2, O2.sign() + O2.irrep(1) + O2.trivial()),
            (C6, C6.regular()),
            (SO3, SO3.irreps("0e+1e+2e")),
            (O3, O3.irreps("0e+0o+1o+1e")),
            (ICO, ICO.trivial() + ICO.defining()),
        )
    ],
}
CASES["PointAttention"] = [
    partial(nn.PointAttention, g, 2, field, heads=2, radii=(0.0, 0.7, 1.4))
    for g, field in (
        (SO2, SO2.trivial() + SO2.irrep(1)),
        (C6, C6.regular()),
        (O3, O3.irreps("0e+0o+1o+1e")),
        (ICO, ICO.trivial() + ICO.defining()),
    )
]
CASES["PointTransformerBlock"] = [
    partial(nn.PointTransformerBlock, SO3, 2, SO3.irreps("0e+1e+2e"), heads=2, radii=(0.0, 1.0)),
    partial(nn.PointTransformerBlock, C6, 2, C6.regular(), radii=(0.0, 1.0)),
]
LAYERS = set(CASES)
ON_POINTS = ("PointConv", "PointAttention", "PointTransformerBlock")


def gentle(group, k):
    """A random element; boosts stay small enough for the rounding of the product."""
    torch.manual_seed(k)
    g = group.random()
    while isinstance(g, torch.Tensor) and float(g.abs().max()) > 20:
        g = group.random()
    return g


def close(a, b):
    assert float((a - b).detach().norm()) <= 1e-9 * float(b.detach().norm()) + 1e-12


@pytest.mark.parametrize(
    ("name", "k"), [(n, k) for n in ("Bilinear", "GatedActivation", "EMLP") for k in range(len(CASES[n]))]
)
def test_law(name, k):
    layer = CASES[name][k]().double()
    reps = layer.rep_in if isinstance(layer.rep_in, tuple) else (layer.rep_in,)
    inputs = [torch.randn(4, rep.size, dtype=torch.float64) for rep in reps]
    out = layer(*inputs)
    assert float(out.detach().std()) > 1e-3
    for seed in range(3):
        g = gentle(layer.rep_out.group, seed)
        turned = [x @ rep(g).mT for x, rep in zip(inputs, reps, strict=True)]
        close(layer(*turned), out @ layer.rep_out(g).mT)


@pytest.mark.parametrize(("name", "k"), [(name, k) for name in ON_POINTS for k in range(len(CASES[name]))])
def test_law_on_points(name, k):
    layer = CASES[name][k]().double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    group = layer.rep_in.group
    n, d = 7, group.defining().size
    x, places = torch.randn(n, layer.in_channels, dtype=torch.float64), torch.randn(n, d, dtype=torch.float64)
    index = torch.cat(
        [torch.randint(n, (2, 25)), torch.arange(n).repeat(2, 1)], dim=1
    )  # points among their own neighbours
    out = layer(x, positions=places, edge_index=index)
    for seed in range(3):
        g = gentle(group, seed)
        space = group.defining()(g)
        turned = layer(x @ layer.rep_in(g).mT, positions=places @ space.mT + torch.randn(d).double(), edge_index=index)
        close(turned, out @ layer.rep_out(g).mT)
    order = torch.randperm(n)
    again = layer(x[order], positions=places[order], edge_index=torch.argsort(order)[index])
    close(again, out[order])


def test_bilinear_equals_e3nn_in_number():
    """As many weights as FullyConnectedTensorProduct has, multiplicities unlike, in the flat layout as it is."""
    from e3nn import o3

    left, right, out = "3x0e+2x1o+1e", "2x0e+3x1o", "2x0e+4x1o+1x2e"
    theirs = o3.FullyConnectedTensorProduct(left, right, out)
    ours = nn.Bilinear(O3.irreps(left), O3.irreps(right), O3.irreps(out))
    assert ours.weight.numel() == theirs.weight_numel
    matrix = theirs(torch.eye(12).repeat_interleave(11, 0), torch.eye(11).repeat(12, 1)).T.reshape(
        -1
    )  # one draw of e3nn's weights lies in our span
    base = ours.pattern.project(matrix.detach().double().reshape(ours.pattern.shape))
    residual = ours.pattern.expand(base).reshape(-1) - matrix.detach().double()
    assert float(residual.norm() / matrix.detach().norm()) < 1e-6


def test_products_make_lengths_and_gates_alone_do_not():
    """An invariant of two vectors that is learnt: their product; the Minkowski square for the Lorentz group."""
    V = LORENTZ.defining()
    product = nn.Bilinear(V, V, LORENTZ.trivial()).double()
    x, y = torch.randn(5, 4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    metric = torch.diag(torch.tensor([1.0, -1, -1, -1])).double()
    ratio = product(x, y)[:, 0] / torch.einsum("bi,ij,bj->b", x, metric, y)
    torch.testing.assert_close(ratio, ratio[0].expand(5))


def test_reports_count_the_new_layers():
    layer = nn.PointConv(O3, 2, 3, O3.irreps("0e+1o"), O3.irreps("0e+1o"), radii=(0.0, 1.0))
    (weight, bias) = sharing.report(layer).rows
    assert weight.untied == 3 * 2 * 4 * 4 * 10
    assert bias.untied == 3 * 4
    product = nn.Bilinear(O3.irreps("2x1o"), O3.irreps("1o"), O3.irreps("0e"))
    assert (sharing.report(product).stored, sharing.report(product).untied) == (2, 18)


@pytest.mark.usefixtures("unchecked")
def test_wrong_arguments():
    with pytest.raises(nn.EquivarianceError, match="4 dimensions"):
        nn.PointConv(SO4, 1, 1, SO4.trivial(), SO4.trivial(), radii=(1.0,))
    layer = nn.PointConv(O3, 1, 1, O3.irreps("1o"), O3.irreps("1o"), radii=(1.0,))
    with pytest.raises(nn.LayerError, match="positions"):
        layer(torch.zeros(4, 3), positions=torch.zeros(4, 2), edge_index=torch.zeros(2, 1, dtype=torch.long))
    with pytest.raises(nn.LayerError, match="expected, got"):
        nn.Bilinear(SO4.defining(), SO4.defining(), SO4.trivial())(torch.zeros(2, 4), torch.zeros(2, 3))
    with pytest.raises(groups.GroupError, match="one group"):
        nn.Bilinear(SO4.defining(), O3.irreps("1o"), SO4.trivial())
