"""The contract of layers: what they take and give, which weights they share, and how chains read it."""

import pytest
import torch
from torch import nn as torch_nn

from equishare import groups, nn, sharing
from equishare.errors import EquishareError

C4, D4 = groups.cyclic(4), groups.dihedral(4)


def test_every_exception_of_these_floors_has_one_root():
    for error in (groups.GroupError, sharing.SharingError, nn.LayerError, nn.EquivarianceError, nn.ConvergenceError):
        assert issubclass(error, EquishareError)
    for wrong in (
        lambda: nn.SharedLinear(C4.regular(), C4.regular())(torch.zeros(3)),
        lambda: nn.GroupConv2d(C4, 1, 1, 3)(torch.zeros(1, 3, 5, 5)),
        lambda: nn.HashedLinear(3, 3, 4)(torch.zeros(4)),
        lambda: nn.SetLinear(3, 3)(torch.zeros(1, 4)),
        lambda: nn.SetAttention(4, 2)(torch.zeros(5, 3)),
        lambda: nn.LocallyConnected1d(1, 1, 5, 3)(torch.zeros(1, 1, 6)),
        lambda: nn.Gate("8x0e+4x0e"),
        lambda: nn.TiedEmbedding(5, 2)(torch.tensor([5])),
    ):
        with pytest.raises(nn.LayerError, match="expected"):
            wrong()


@pytest.mark.usefixtures("unchecked")
def test_emlp_says_where_the_group_is():
    with pytest.raises(nn.LayerError, match="group is that of the representations"):
        nn.emlp(C4.regular(), C4.trivial(), C4, 64)  # as emlp's EMLP(rep_in, rep_out, group, ch)


def test_a_u_net_of_irreps_asks_for_its_field():
    with pytest.raises(nn.EquivarianceError, match="give field"):
        nn.UNet(groups.so2(), groups.so2().trivial(), groups.so2().irrep(1))


@pytest.mark.parametrize(
    ("given", "taken", "answer"),
    [
        (C4.regular(), C4.regular(), True),
        (C4.regular(), D4.regular(), False),
        (3 * C4.trivial(), nn.Invariants(3), True),
        (nn.Invariants(3), 3 * C4.trivial(), True),
        (3 * C4.trivial(), 3 * D4.trivial(), False),  # another group moves the positions
        (D4.sign() + D4.trivial(), nn.Invariants(2), False),
        (nn.Layout.of("3x0e+2x1o"), groups.o3().irreps("3x0e+2x1o"), True),
        (groups.o3().irreps("3x0e+2x1o"), nn.Layout.of("2x1o+3x0e"), False),
        (groups.so3().irreps("3x0e+2x1o"), nn.Layout.of("3x0e+2x1o"), False),  # SO(3) fields may break mirrors
        (groups.o3().irreps("3x0e"), nn.Invariants(3), True),
        (groups.o3().irreps("2x0e+0o"), nn.Invariants(3), False),
        (groups.so3().irrep(0), nn.Invariants(1), True),
        (nn.SetFeatures(0, 4), nn.Invariants(4), True),
        (nn.SetFeatures(1, 4), nn.Invariants(4), False),
        (None, None, False),
        ((nn.Invariants(1), None), nn.Invariants(1), False),
    ],
)
def test_fits(given, taken, answer):
    assert nn.fits(given, taken) is answer


def test_layers_of_irreps_and_of_fields_make_one_chain():
    rep = groups.o3().irreps("4x0e+2x1o")
    gate = nn.GatedActivation(rep)
    net = nn.Sequential(
        nn.IrrepsLinear("3x0e+2x1o", "4x0e+2x1o"),
        nn.FieldBatchNorm(rep, 0),
        nn.Gate("4x0e+2x1o"),
        nn.SharedLinear(rep, gate.rep_in),
        gate,
        nn.Readout("4x0e+2x1o", "1o"),
    )
    assert net(torch.randn(5, 9)).shape == (5, 3)


def test_set_features_are_representations_of_each_size():
    layer = nn.PermutationLinear(2, 1, 2, 3, bias=False).double()
    n = 4
    rep_in, rep_out = layer.rep_in.on(n), layer.rep_out.on(n)
    matrix = layer.full_weight(n)
    for g in groups.symmetric(n).generators:
        torch.testing.assert_close(rep_out(g) @ matrix, matrix @ rep_in(g))


def test_a_chain_of_sets_takes_masks_and_ends_in_invariants():
    net = nn.Sequential(
        nn.SetLinear(3, 8),
        torch_nn.ReLU(),
        nn.SetPool(("mean", "max")),
        torch_nn.Linear(16, 4),
        nn.HashedLinear(4, 2, 5),
    )
    assert (net.rep_in, net.rep_out) == (nn.SetFeatures(1, 3), nn.Invariants(2))
    x, mask = torch.randn(2, 5, 3), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    torch.testing.assert_close(net(x, mask=mask)[1], net(x[1:, :3])[0])
    torch.testing.assert_close(nn.to_torch(net)(x, mask=mask), net(x, mask=mask))
    with pytest.raises(nn.LayerError, match="no layer takes"):
        net(x, masks=mask)


def test_a_chain_of_graph_layers_passes_nodes_and_edges():
    net = nn.Sequential(nn.GraphLinear(2, 1, 4, 3), nn.GraphLinear(4, 3, 2, 2))
    nodes, edges = net(torch.randn(5, 2), torch.randn(5, 5, 1))
    assert (nodes.shape, edges.shape) == ((5, 2), (5, 5, 2))
    with pytest.raises(nn.EquivarianceError, match="one output"):
        nn.Sequential(nn.GraphLinear(2, 1, 4, 3), torch_nn.ReLU())


def test_a_chain_of_fields_ends_in_a_plain_layer():
    head = nn.Sequential(nn.GroupPool(2 * C4.regular(), dimension=0), torch_nn.Linear(2, 3))
    x = torch.randn(5, 8)
    turned = x @ (2 * C4.regular())(C4.generators[0]).float().mT
    torch.testing.assert_close(head(x), head(turned))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (lambda: [nn.SetPool()], "first layer"),
        (lambda: [nn.LocallyConnected1d(1, 1, 5, 3)], "first layer"),
        (lambda: [nn.SetLinear(3, 4), nn.SetLinear(5, 4)], "takes 5 channels of points"),
        (lambda: [nn.SetLinear(3, 4), torch_nn.Linear(4, 4)], "takes 4 invariants"),
        (lambda: [nn.HashedLinear(4, 2, 3), nn.SetPool()], "takes features of points"),
        (lambda: [nn.SetLinear(3, 4), torch_nn.Dropout()], "no representations"),
    ],
)
def test_a_chain_that_does_not_fit_is_refused(layers, message):
    with pytest.raises(nn.EquivarianceError, match=message):
        nn.Sequential(*layers())


# ---- reports


def untied(module, *example):
    return sharing.report(module, tuple(example) if example else None).untied


def test_the_bias_of_a_separable_convolution_is_counted():
    layer = nn.SeparableGroupConv2d(D4, 2, 3, 3)
    rows = {row.names[0]: row for row in sharing.report(layer, torch.zeros(1, 16, 5, 7)).rows}
    assert rows["bias"].untied == 3 * 8 * 35
    assert rows["group_weight"].untied == 16 * 24 * 35
    assert rows["space_weight"].untied == 24 * 9 * 35


def test_sets_count_every_pair_of_points():
    n, x = 7, torch.zeros(2, 7, 3)
    assert untied(nn.SetLinear(3, 4), x) == (n * 3) * (n * 4) + n * 4
    assert untied(nn.PermutationLinear(1, 2, 3, 4), x) == (n * 3) * (n * n * 4) + n * n * 4
    nodes, edges = torch.zeros(n, 2), torch.zeros(n, n, 1)
    dense_in, dense_out = 2 * n + n * n, 3 * n + 2 * n * n
    assert untied(nn.GraphLinear(2, 1, 3, 2), nodes, edges) == dense_in * dense_out + dense_out
    # without an example, the fewest points that tell all maps apart
    assert untied(nn.SetLinear(3, 4)) == 2 * 3 * 2 * 4 + 2 * 4


def test_attention_counts_points_and_heads_that_share_keys():
    layer = nn.SetAttention(8, heads=4, kv_heads=1)
    x, source = torch.zeros(1, 5, 8), torch.zeros(1, 3, 8)
    linear, narrow = 8 * 8 + 8, 8 * 2 + 2
    assert untied(layer, x, source) == 5 * 2 * linear + 3 * 4 * 2 * narrow


def test_uses_of_parts_are_counted_with_and_without_an_example():
    linear = 4 * 4 + 4
    twins = nn.Siamese(nn.Iterated(torch_nn.Linear(4, 4), 3))
    assert untied(twins) == untied(twins, torch.zeros(1, 4), torch.zeros(1, 4)) == 6 * linear


def test_a_large_table_is_counted_without_listing_it():
    (row,) = sharing.report(nn.HashedEmbedding(10**9, 16, 100)).rows
    assert (row.untied, row.pattern) == (16 * 10**9, None)


def flat_representation(layout):
    """How O(3) acts on features [(l m), channel], flattened."""
    O3 = groups.o3()
    parts = [O3.irreps(str(ir)) * (layout.channels * O3.trivial()) for _, ir in layout.irreps]
    return groups.direct_sum(*((1, part) for part in parts))


def test_the_pattern_of_a_linear_map_of_irreps_is_the_solver_s():
    layer = nn.IrrepsLinear("2x0e+2x1o+2x1e", "3x1o+3x0e")
    pattern = layer.shared_weights()["weight"].pattern
    solved = sharing.solve(flat_representation(layer.layout_in), flat_representation(layer.layout_out))
    assert sharing.span_distance(pattern, solved) < 1e-9
    assert untied(layer) == pattern.numel == (3 * 4) * (2 * 7)


def test_e3_layers_count_components_atoms_and_edges():
    index = torch.tensor([[0, 1, 2, 3, 0], [1, 2, 3, 0, 2]])
    x = torch.zeros(4, 4, 3)
    conv = nn.DensityConv("3x0e+3x1o", 2, 5)
    assert (
        untied(conv, x, torch.zeros(5, 5), torch.zeros(5, 9), index) == 5 * 9 * 3 * 5
    )  # edges, components, channels, functions
    assert untied(nn.IrrepsLinear("3x0e+3x1o", "2x0e+2x1o", bias=True), x) == 4 * ((4 * 2) * (4 * 3) + 4 * 2)
    assert untied(nn.ChannelProduct("3x0e+3x1o", None, "3x0e+3x1o"), x) == 4 * (4 * 5 // 2) * 4 * 3
    assert untied(nn.Readout("3x0e+3x1o", "1o"), x) == 4 * 3 * 4 * 3
    gate = nn.Gate("3x0e+3x1o")
    assert untied(gate, x) == 4 * 3 * (3 * 3 + 3)


def test_a_chain_of_e3_layers():
    net = nn.Sequential(
        nn.IrrepsLinear("3x0e+3x1o", "4x0e+4x1o"), nn.Gate("4x0e+4x1o"), nn.IrrepsLinear("4x0e+4x1o", "2x0e")
    )
    assert net(torch.randn(5, 4, 3)).shape == (5, 1, 2)
    assert nn.fits(net.rep_out, nn.Invariants(2))
    with pytest.raises(nn.EquivarianceError, match="does not commute"):
        nn.Sequential(nn.IrrepsLinear("3x0e+3x1o", "4x0e+4x1o"), torch_nn.ReLU())
    with pytest.raises(nn.EquivarianceError, match="takes"):
        nn.Sequential(nn.IrrepsLinear("3x0e+3x1o", "4x0e+4x1o"), nn.Gate("3x0e+3x1o"))
