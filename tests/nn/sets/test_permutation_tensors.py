"""Maps between tensors of any order: complete, the same dense and sparse, and linear in what they are given."""

from itertools import product

import pytest
import torch

from equishare import nn, sharing

LAYERS = {"SparseTensorLinear"}  # the law of the dense ones is tested in the table of test_symmetry
ORDERS = [(0, 3), (1, 3), (2, 2), (3, 0), (3, 1), (3, 2), (2, 3)]


@pytest.mark.parametrize(("order_in", "order_out"), ORDERS)
def test_they_are_all_there_are(order_in, order_out):
    n = order_in + order_out
    layer = nn.PermutationTensorLinear(order_in, order_out, 1, 1)
    assert sharing.span_distance(layer.pattern(n), sharing.permutation_maps(n, order_in, order_out)) < 1e-9


@pytest.mark.slow
def test_third_order_to_third_order():
    layer = nn.PermutationTensorLinear(3, 3, 1, 1)
    assert layer.maps == 203
    assert sharing.span_distance(layer.pattern(6), sharing.permutation_maps(6, 3, 3)) < 1e-9


def every(n, order):
    """All tuples."""
    return torch.tensor(list(product(range(n), repeat=order))).reshape(n**order, order).T.long()


@pytest.mark.parametrize(("order_in", "order_out"), ORDERS)
def test_with_all_tuples_the_sparse_layer_is_the_dense_one(order_in, order_out):
    n = 4
    dense = nn.PermutationTensorLinear(order_in, order_out, 2, 3).double()
    sparse = nn.SparseTensorLinear(order_in, order_out, 2, 3).double()
    torch.nn.init.normal_(dense.bias)
    sparse.load_state_dict(dense.state_dict())
    x = torch.randn(*[n] * order_in, 2, dtype=torch.float64)
    out = sparse(x.reshape(-1, 2), every(n, order_in), every(n, order_out) if order_out else None)
    torch.testing.assert_close(out, dense(x, size=n).reshape(-1, 3))


def test_a_graph_relabelled_and_its_edges_in_another_order():
    edges = torch.tensor([[0, 1, 1, 2, 3, 4, 4], [1, 0, 2, 3, 3, 2, 0]])
    x = torch.randn(7, 3, dtype=torch.float64)
    layer = nn.SparseTensorLinear(2, 2, 3, 4).double()
    out = layer(x, edges)
    relabel, order = torch.randperm(9), torch.randperm(7)
    torch.testing.assert_close(layer(x[order], relabel[edges][:, order]), out[order])
    assert float((layer(x, edges.flip(0)) - out).detach().abs().max()) > 1e-3  # directions count


def test_graphs_side_by_side_do_not_see_each_other():
    layer = nn.SparseTensorLinear(2, 1, 3, 4).double()
    edges = [torch.tensor([[0, 1, 2], [1, 2, 2]]), torch.tensor([[0, 1], [1, 0]])]
    features = [torch.randn(3, 3, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)]
    alone = [layer(x, e, torch.arange(n)[None]) for x, e, n in zip(features, edges, (3, 2), strict=True)]
    graph = torch.tensor([0, 0, 0, 1, 1])
    both = layer(torch.cat(features), torch.cat([edges[0], edges[1] + 3], 1), torch.arange(5)[None], graph)
    torch.testing.assert_close(both, torch.cat(alone))
    whole = nn.SparseTensorLinear(2, 0, 3, 4).double()
    joint = whole(torch.cat(features), torch.cat([edges[0], edges[1] + 3], 1), None, graph, 2)
    torch.testing.assert_close(joint, torch.cat([whole(x, e) for x, e in zip(features, edges, strict=True)]))


def test_three_steps_tell_graphs_apart_that_messages_between_neighbours_do_not():
    """Two triangles and a hexagon: every point has two neighbours in both; only the triangles have closed paths of three steps."""
    triangles = torch.tensor([[0, 1, 2, 1, 2, 0, 3, 4, 5, 4, 5, 3], [1, 2, 0, 0, 1, 2, 4, 5, 3, 3, 4, 5]])
    ring = torch.tensor([[0, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 0], [1, 2, 3, 4, 5, 0, 0, 1, 2, 3, 4, 5]])
    layer = nn.PermutationTensorLinear(3, 0, 1, 8).double()
    found = []
    for edges in (triangles, ring):
        adjacency = torch.zeros(6, 6, dtype=torch.float64)
        adjacency[edges[0], edges[1]] = 1
        paths = torch.einsum("ij,jk,ki->ijk", adjacency, adjacency, adjacency)
        found.append(layer(paths.unsqueeze(-1)))
    assert float((found[0] - found[1]).detach().abs().max()) > 1e-3


def test_memory_is_that_of_input_and_output():
    """40 points: a matrix from order 3 to order 2 would hold 1e8 numbers."""
    layer = nn.PermutationTensorLinear(3, 2, 2, 2)
    assert layer(torch.randn(40, 40, 40, 2)).shape == (40, 40, 2)
    assert sharing.report(layer).untied == 5**5 * 4 + 25 * 2


@pytest.mark.usefixtures("unchecked")
def test_what_does_not_fit_is_refused():
    for make, message in (
        (lambda: nn.PermutationLinear(3, 1, 2, 2), "PermutationTensorLinear takes any"),
        (lambda: nn.PermutationTensorLinear(-1, 1, 2, 2), "from 0 up"),
        (lambda: nn.PermutationTensorLinear(3, 1, 2, 2)(torch.zeros(4, 4, 5, 2)), "expected"),
        (lambda: nn.SparseTensorLinear(2, 2, 3, 2)(torch.zeros(4, 3), torch.zeros(3, 4).long()), "tuples \\[2, m\\]"),
        (lambda: nn.SparseTensorLinear(2, 1, 3, 2)(torch.zeros(4, 3), torch.zeros(2, 4).long()), "out_tuples"),
    ):
        with pytest.raises(nn.LayerError, match=message):
            make()
