import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equishare.nn import Edges

graphs = st.integers(1, 8).flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=30))
)


@given(graphs)
def test_orders_group_the_edges_by_atom(graph):
    n, pairs = graph
    edges = Edges(torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T, n)
    for (order, starts), ends in ((edges.send_order_on_device, edges.ends[0]), (edges.receive_order, edges.ends[1])):
        assert sorted(order.tolist()) == list(range(len(edges)))
        for atom in range(n):
            mine = order[starts[atom] : starts[atom + 1]]
            assert np.array_equal(mine, np.flatnonzero(ends == atom))  # stable: in the order given


@pytest.mark.parametrize(
    "index", [torch.zeros(3, 4, dtype=torch.int64), torch.zeros(2, 4), torch.zeros(4, dtype=torch.int64)]
)
@pytest.mark.usefixtures("unchecked")
def test_shape_and_type(index):
    with pytest.raises(ValueError, match=r"shape \[2, edges\] and dtype int64"):
        Edges(index, 5)


@pytest.mark.parametrize("bad", [-1, 5])
def test_range(bad):
    with pytest.raises(ValueError, match="there are 5 atoms"):
        Edges(torch.tensor([[0, bad], [1, 2]]), 5)
