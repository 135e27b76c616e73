"""Attention of features on points anywhere: graphs and clouds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from equishare.groups.finite import FiniteGroup
from equishare.groups.orthogonal import OrthogonalGroup
from equishare.groups.representation import Representation
from equishare.nn.feature_types import require_whole
from equishare.nn.fields.field_attention import FieldMLP
from equishare.nn.fields.layer_norm import FieldLayerNorm
from equishare.nn.fields.point_conv import PointConv
from equishare.nn.fields.shared_linear import SharedLinear
from equishare.nn.layer import FieldLayer, LayerError, require_orthogonal
from equishare.sharing.shared_weights import Call, SharedWeight


class PointAttention(FieldLayer):
    r"""A ``PointConv`` whose neighbours count by attention: by what they are, and by where they are.

    .. math:: y_i = b + \sum_{j \to i} a_{ij}\, W(x_j - x_i)\, f_j, \qquad
              a_{ij} = \mathrm{softmax}_j\big(q(f_i) \cdot k(f_j) / \sqrt d + p(f_i) \cdot \phi(x_j - x_i) / \sqrt m\big)

    where :math:`\phi` are the m functions of the place that W is made of, harmonics times radial functions. Every dot product is between
    features of one representation, so the logits are invariants. One softmax a head; a head weighs its own fields. Law: f(g x, rho(g) f) =
    rho(g) y for every g, translations and permutations included, exact. Memory is linear in the number of edges.

    Args:
        group: SO(2), O(2), SO(3), O(3), or any finite group of the plane or of space.
        fields: number of fields, in and out.
        field: representation of one field.
        heads: a divisor of ``fields``.
        radii: as for ``PointConv``.
        width: as for ``PointConv``.
        degree: as for ``PointConv``.

    Shapes:
        x ``[points, channels]``, positions ``[points, d]``, edge_index ``[2, edges]`` (PyG: row 0 sends, row 1 receives) -> ``[points, channels]``;
        a point without neighbours gets b.

    Raises:
        EquivarianceError: the group turns no space of two or three dimensions, or the field does not keep lengths.
        LayerError: heads do not divide the fields, or an input does not fit.

    Fuchs et al. 2020, "SE(3)-Transformers"; Liao & Smidt 2023, "Equiformer".

    >>> from equishare import groups, nn
    >>> O3 = groups.o3()
    >>> layer = nn.PointAttention(O3, 4, O3.irreps("0e+1o"), heads=2, radii=(0.0, 1.0, 2.0))
    >>> index = torch.tensor([[0, 1, 2], [1, 0, 0]])
    >>> layer(torch.randn(3, 16), positions=torch.randn(3, 3), edge_index=index).shape
    torch.Size([3, 16])
    """

    def __init__(
        self,
        group: FiniteGroup | OrthogonalGroup,
        fields: int,
        field: Representation,
        *,
        heads: int = 1,
        radii: Sequence[float],
        width: float | None = None,
        degree: int = 2,
    ) -> None:
        super().__init__(fields * field, fields * field)
        require_orthogonal(field)
        require_whole(heads=heads)
        if fields % heads:
            raise LayerError(f"heads that divide the {fields} fields expected, got {heads}")
        self.heads = heads
        self.values = PointConv(group, fields, fields, field, field, radii=radii, width=width, degree=degree)
        functions = self.values.harmonics.representation(group)
        rep = self.rep_in
        self.query, self.key = SharedLinear(rep, rep, bias=False), SharedLinear(rep, rep, bias=False)
        self.place = SharedLinear(rep, heads * functions, bias=False)

    def forward(
        self,
        x: Float[Tensor, "points channels"],
        *,
        positions: Float[Tensor, "points d"],
        edge_index: Int[Tensor, "2 edges"],
    ) -> Float[Tensor, "points channels"]:
        """Attend to the neighbours."""
        functions = self.values.functions(x, positions, edge_index)
        weights = self._weights(x, functions, edge_index)
        sender, receiver = edge_index
        weighed = (x[sender].unflatten(1, (self.heads, -1)) * weights.unsqueeze(2)).flatten(1)
        return self.values.sum_up(weighed, functions, receiver, x.shape[0])

    def _weights(
        self, x: Tensor, functions: Tensor, edge_index: Int[Tensor, "2 edges"]
    ) -> Float[Tensor, "edges heads"]:
        """The softmax over each point's neighbours."""
        sender, receiver = edge_index
        query, key, place = (layer(x).unflatten(1, (self.heads, -1)) for layer in (self.query, self.key, self.place))
        logits = (query[receiver] * key[sender]).sum(2) / key.shape[2] ** 0.5
        logits = logits + (place[receiver] @ functions.unsqueeze(2)).squeeze(2) / place.shape[2] ** 0.5
        rows = receiver.unsqueeze(1).expand_as(logits)
        largest = logits.detach().new_zeros(x.shape[0], self.heads)
        largest = largest.scatter_reduce(0, rows, logits.detach(), "amax", include_self=False)
        exponentials = torch.exp(logits - largest[receiver])
        total = exponentials.new_zeros(x.shape[0], self.heads).index_add(0, receiver, exponentials)
        return exponentials / total[receiver]

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """The values' weights serve every edge; the linear maps tell of their own."""
        edges, points = (1, 1) if call is None else (call.inputs[-1][1], call.output[0])
        conv = Call(((points, self.in_channels), (2, edges)), (points, self.out_channels))
        return {f"values.{name}": shared for name, shared in self.values.shared_weights(conv).items()}

    def extra_repr(self) -> str:
        """Fields and heads."""
        return f"{self.rep_in}, {self.heads} heads"


class PointTransformerBlock(FieldLayer):
    r"""A transformer block of features on points: attention among neighbours, then a small network of each point.

    .. math:: h = x + \mathrm{attention}(\mathrm{norm}\, x), \qquad y = h + \mathrm{MLP}(\mathrm{norm}\, h)

    Law: f(g x, rho(g) f) = rho(g) y for every g, translations and permutations included, exact.

    Args:
        group: SO(2), O(2), SO(3), O(3), or any finite group of the plane or of space.
        fields: number of fields.
        field: representation of one field.
        options: ``heads``, ``radii``, ``width`` and ``degree`` of ``PointAttention``.

    Shapes:
        x ``[points, channels]``, positions ``[points, d]``, edge_index ``[2, edges]`` (PyG: row 0 sends, row 1 receives) -> ``[points, channels]``.

    Raises:
        EquivarianceError: as ``PointAttention``.

    Fuchs et al. 2020, "SE(3)-Transformers"; Liao & Smidt 2023, "Equiformer".

    >>> from equishare import groups, nn
    >>> O3 = groups.o3()
    >>> block = nn.PointTransformerBlock(O3, 4, O3.irreps("0e+1o"), heads=2, radii=(0.0, 1.0))
    >>> block(torch.randn(3, 16), positions=torch.randn(3, 3), edge_index=torch.tensor([[0, 1, 2], [1, 0, 0]])).shape
    torch.Size([3, 16])
    """

    def __init__(
        self, group: FiniteGroup | OrthogonalGroup, fields: int, field: Representation, **options: Any
    ) -> None:
        super().__init__(fields * field, fields * field)
        self.attend = PointAttention(group, fields, field, **options)
        self.attend_norm, self.mlp_norm = FieldLayerNorm(self.rep_in), FieldLayerNorm(self.rep_in)
        self.mlp = FieldMLP(self.rep_in, fields * group.trivial() + 2 * fields * field)

    def forward(
        self,
        x: Float[Tensor, "points channels"],
        *,
        positions: Float[Tensor, "points d"],
        edge_index: Int[Tensor, "2 edges"],
    ) -> Float[Tensor, "points channels"]:
        """The block."""
        x = x + self.attend(self.attend_norm(x), positions=positions, edge_index=edge_index)
        return x + self.mlp(self.mlp_norm(x))
