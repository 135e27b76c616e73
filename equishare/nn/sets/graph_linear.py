"""The equivariant linear layer of dense graphs: nodes and edges together."""

from __future__ import annotations

import copy

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from equishare.nn.layer import Layer, LayerError
from equishare.nn.sets.features import SetFeatures, points_of
from equishare.nn.sets.levels import broadcast, contract, fill_padding
from equishare.nn.sets.padding import check_channels, check_mask
from equishare.nn.sets.permutation_linear import PermutationLinear
from equishare.sharing.shared_weights import Call, SharedWeight


class GraphLinear(Layer):
    r"""All linear maps of node and edge features together that commute with permutations of the nodes.

    .. math:: (v', e') = (L_{11} v + L_{21} e,\; L_{12} v + L_{22} e), \qquad f(\pi v, \pi e \pi^T) = \pi f(v, e) \text{, exact}

    with :math:`L_{kl}` the ``PermutationLinear`` maps of order k to l: 2 + 5 + 5 + 15 = 27 weights a pair of channels for directed
    edges, 2 + 4 + 4 + 9 = 19 for undirected ones (:math:`e_{ij} = e_{ji}`, kept so). Edges are a dense ``[n, n]`` array; what is no edge
    may be zero and told apart by a channel of its own. Contraction and broadcast run once for all four.

    Args:
        node_channels: channels of v.
        edge_channels: channels of e.
        out_node_channels: channels of v'.
        out_edge_channels: channels of e'.
        bias: Add the constants that permutations leave alone.
        undirected: Edge features are symmetric.
        device: Where the weights live.
        dtype: Their precision.

    Raises:
        LayerError: the shapes of nodes, edges or mask do not fit.

    Maron, Ben-Hamu, Shamir, Lipman 2019, "Invariant and Equivariant Graph Networks".

    >>> layer = GraphLinear(4, 3, 16, 8, undirected=True)
    >>> nodes, edges = layer(torch.randn(2, 10, 4), torch.ones(2, 10, 10, 3))
    >>> nodes.shape, edges.shape
    (torch.Size([2, 10, 16]), torch.Size([2, 10, 10, 8]))
    """

    def __init__(
        self,
        node_channels: int,
        edge_channels: int,
        out_node_channels: int,
        out_edge_channels: int,
        bias: bool = True,
        *,
        undirected: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.rep_in, self.rep_out = (
            (SetFeatures(1, node_channels), SetFeatures(2, edge_channels)),
            (SetFeatures(1, out_node_channels), SetFeatures(2, out_edge_channels)),
        )
        self.undirected = undirected

        def maps(order_in: int, order_out: int, with_bias: bool) -> PermutationLinear:
            return PermutationLinear(
                order_in,
                order_out,
                node_channels if order_in == 1 else edge_channels,
                out_node_channels if order_out == 1 else out_edge_channels,
                with_bias,
                undirected=undirected,
                device=device,
                dtype=dtype,
            )

        self.node_to_node, self.edge_to_node = maps(1, 1, bias), maps(2, 1, False)
        self.node_to_edge, self.edge_to_edge = maps(1, 2, False), maps(2, 2, bias)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights that keep the second moment of features through a ReLU; the bias is zero."""
        for pair in ((self.node_to_node, self.edge_to_node), (self.node_to_edge, self.edge_to_edge)):
            fan_in = [sum(maps.fan_in(level) for maps in pair) for level in range(3)]
            for maps in pair:
                maps.reset_parameters(fan_in)

    def forward(
        self,
        nodes: Float[Tensor, "*batch n node_channels"],
        edges: Float[Tensor, "*batch n n edge_channels"],
        mask: Bool[Tensor, "*batch n"] | None = None,
    ) -> tuple[Float[Tensor, "*batch n out_node_channels"], Float[Tensor, "*batch n n out_edge_channels"]]:
        """The linear map; what stands at padding does not matter, and the outputs are zero there."""
        check_channels(nodes, self.node_to_node.in_channels, 1, self, "nodes")
        check_channels(edges, self.edge_to_edge.in_channels, 2, self, "edges")
        if edges.shape[:-2] != nodes.shape[:-1]:
            raise LayerError(
                f"GraphLinear: edges between the nodes expected, got nodes {list(nodes.shape)}, edges {list(edges.shape)}"
            )
        check_mask(mask, nodes.shape[:-1])
        self.require_numbers(mask=mask)
        n = nodes.shape[-2]
        of_nodes = contract(fill_padding(nodes, 1, mask), 1, mask, self.undirected)
        of_edges = contract(fill_padding(edges, 2, mask), 2, mask, self.undirected)
        outputs = []
        for order, from_nodes, from_edges in (
            (1, self.node_to_node, self.edge_to_node),
            (2, self.node_to_edge, self.edge_to_edge),
        ):
            whole, points, _ = from_nodes.mix(of_nodes, n)
            more_whole, more_points, pairs = from_edges.mix(of_edges, n)
            y = broadcast(whole + more_whole, points + more_points, pairs, order, self.undirected)
            outputs.append(fill_padding(y, order, mask))
        return outputs[0], outputs[1]

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """The four maps on n nodes; without a call, on the four that tell all of them apart."""
        n = 4 if call is None else points_of(call)
        parts = {name: part for name, part in self.named_children() if isinstance(part, PermutationLinear)}
        return {f"{name}.{w}": shared for name, part in parts.items() for w, shared in part.shared_on(n).items()}

    def to_torch(self) -> nn.Module:
        """A copy: there is no plain module for the maps of one order to another."""
        return copy.deepcopy(self)
