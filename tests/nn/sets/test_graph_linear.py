import pytest
import torch
from torch_geometric.utils import to_dense_adj

from equishare import groups, nn, sharing


def count(layer):
    return sum(len(maps.weight) for maps in layer.children())


@pytest.mark.parametrize("undirected", [False, True])
def test_the_weights_are_all_there_are(undirected):
    """27 for directed edges and 19 for undirected ones: the solver's count for nodes and edges together."""
    n = 4
    group = groups.symmetric(n)
    nodes, edges = group.permutation(), group.permutation() * group.permutation()
    if undirected:
        pairs = [(i, j) for i in range(n) for j in range(i, n)]
        number = {pair: k for k, pair in enumerate(pairs)}
        edges = group.action([[number[tuple(sorted((g[i], g[j])))] for i, j in pairs] for g in group.generators])
    solved = sharing.solve(nodes + edges, nodes + edges)
    assert count(nn.GraphLinear(1, 1, 1, 1, undirected=undirected)) == solved.n_free == (19 if undirected else 27)
    assert groups.intertwiner_count(nodes + edges, nodes + edges) == solved.n_free


@pytest.mark.parametrize("undirected", [False, True])
def test_is_the_sum_of_its_four_maps(undirected):
    layer = nn.GraphLinear(3, 2, 4, 5, undirected=undirected, dtype=torch.float64)
    torch.nn.init.normal_(layer.node_to_node.bias)
    torch.nn.init.normal_(layer.edge_to_edge.bias)
    v, e = torch.randn(2, 6, 3, dtype=torch.float64), torch.randn(2, 6, 6, 2, dtype=torch.float64)
    mask = torch.rand(2, 6) < 0.7
    nodes, edges = layer(v, e, mask)
    assert torch.allclose(nodes, layer.node_to_node(v, mask) + layer.edge_to_node(e, mask))
    assert torch.allclose(edges, layer.node_to_edge(v, mask) + layer.edge_to_edge(e, mask))


@pytest.mark.parametrize("undirected", [False, True])
def test_second_moments_are_kept_through_relu(undirected):
    nodes, edges = torch.randn(4, 12, 48), torch.randn(4, 12, 12, 48)
    edges = edges + edges.transpose(1, 2) if undirected else edges
    nodes, edges = nodes / nodes.square().mean().sqrt(), edges / edges.square().mean().sqrt()
    for _ in range(10):
        nodes, edges = nn.GraphLinear(48, 48, 48, 48, undirected=undirected)(nodes, edges)
        nodes, edges = nodes.relu().detach(), edges.relu().detach()
    assert 1 / 16 < float(nodes.square().mean()) < 16
    assert 1 / 16 < float(edges.square().mean()) < 16


def test_takes_pyg_graphs():
    """Two graphs of 3 and 2 nodes in one batch give what each gives alone."""
    layer = nn.GraphLinear(4, 2, 3, 3)
    x, batch = torch.randn(5, 4), torch.tensor([0, 0, 0, 1, 1])
    edge_index, edge_attr = torch.tensor([[0, 1, 2, 3], [1, 2, 0, 4]]), torch.randn(4, 2)
    nodes, mask = nn.to_padded(x, batch)
    out, pairs = layer(nodes, to_dense_adj(edge_index, batch, edge_attr), mask)
    points, _ = nn.from_padded(out, mask)
    alone, alone_pairs = layer(x[3:], to_dense_adj(torch.tensor([[0], [1]]), edge_attr=edge_attr[3:])[0])
    assert torch.allclose(points[3:], alone, atol=1e-6)
    assert torch.allclose(pairs[1, :2, :2], alone_pairs, atol=1e-6)
    assert not pairs[1, 2].any()


def test_errors(unchecked):
    layer = nn.GraphLinear(3, 2, 4, 5)
    with pytest.raises(ValueError, match="edges between the nodes"):
        layer(torch.zeros(6, 3), torch.zeros(5, 5, 2))
    with pytest.raises(ValueError, match=r"edges of shape \[..., n, n, 2\]"):
        layer(torch.zeros(6, 3), torch.zeros(6, 5, 2))
    with pytest.raises(ValueError, match=r"nodes of shape \[..., n, 3\]"):
        layer(torch.zeros(6, 2), torch.zeros(6, 6, 2))
