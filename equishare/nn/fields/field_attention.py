"""Attention among the positions of an image, a volume or a set of fields."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from equishare.groups.finite import FiniteGroup
from equishare.groups.orthogonal import OrthogonalGroup
from equishare.groups.representation import Representation
from equishare.nn.feature_types import require_whole
from equishare.nn.fields.gated_activation import GatedActivation
from equishare.nn.fields.group_conv import GroupConv1d, GroupConv2d, GroupConv3d
from equishare.nn.fields.layer_norm import FieldLayerNorm
from equishare.nn.fields.shared_linear import SharedLinear
from equishare.nn.layer import FieldLayer, LayerError, require_orthogonal
from equishare.nn.sets.attention import attention

_CONVOLUTIONS = {1: GroupConv1d, 2: GroupConv2d, 3: GroupConv3d}


class FieldAttention(FieldLayer):
    r"""Each position takes a weighted mean of the fields at all positions; the weights are invariants, so fields arrive as fields.

    .. math:: y(x) = W_o \Big[\textstyle\sum_{x'} \mathrm{softmax}_{x'}\big(q_h(x) \cdot k_h(x') / \sqrt d\big)\, v_h(x')\Big]_h

    with queries, keys and values that commute with the group, and heads of whole fields, so that q . k is the same after g. Law: f(rho(g) x)
    = rho(g) f(x) and f(pi x) = pi f(x) for every permutation of positions, turns of the image included; exact for orthogonal
    representations of any group. It does not know where positions are: ``FieldTransformerBlock`` adds that. Memory is linear in the number of
    positions, by torch's fused kernel.

    Args:
        fields: number of fields.
        field: representation of one field.
        heads: a divisor of ``fields``.

    Shapes:
        ``[batch, channels, *space]`` -> the same; with ``[batch, channels, points]`` a set.

    Raises:
        EquivarianceError: the field does not keep lengths.
        LayerError: heads do not divide the fields.

    Vaswani et al. 2017; Romero & Cordonnier 2021, "Group equivariant stand-alone self-attention for vision".

    >>> import torch
    >>> from equishare import groups, nn
    >>> nn.FieldAttention(4, groups.cyclic(4).regular(), heads=2)(torch.randn(2, 16, 6, 6)).shape
    torch.Size([2, 16, 6, 6])
    """

    def __init__(self, fields: int, field: Representation, heads: int = 1) -> None:
        super().__init__(fields * field, fields * field)
        require_orthogonal(field)
        require_whole(heads=heads)
        if fields % heads:
            raise LayerError(f"heads that divide the {fields} fields expected, got {heads}")
        self.heads, self.rep = heads, fields * field
        self.query, self.key, self.value = (SharedLinear(self.rep, self.rep, bias=False) for _ in range(3))
        self.out = SharedLinear(self.rep, self.rep)

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *space"]:
        """Attend."""
        self._check_channels(x)
        points = x.unsqueeze(-1).flatten(2).mT  # [batch, positions, channels]
        query, key, value = (
            layer(points).unflatten(2, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        means = attention(query, key, value, None).transpose(1, 2).flatten(2)
        return self.out(means).mT.reshape(x.shape)

    def extra_repr(self) -> str:
        """Fields and heads."""
        return f"{self.rep}, {self.heads} heads"


class FieldMLP(FieldLayer):
    """A linear map, gates, a linear map, at each position: the second half of a transformer block.

    Law: f(rho(g) x) = rho(g) f(x), exact for every representation.

    Args:
        rep: representation of input and output.
        hidden: representation between the maps.

    Shapes:
        ``[batch, channels, *space]`` -> the same.

    >>> import torch
    >>> from equishare import groups
    >>> V = groups.so(3).defining()
    >>> FieldMLP(2 * V, 4 * groups.so(3).trivial() + 4 * V)(torch.randn(5, 6)).shape
    torch.Size([5, 6])
    """

    def __init__(self, rep: Representation, hidden: Representation) -> None:
        super().__init__(rep, rep)
        self.gate = GatedActivation(hidden)
        self.widen, self.narrow = SharedLinear(rep, self.gate.rep_in), SharedLinear(hidden, rep)

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *space"]:
        """The map of each position."""
        self._check_channels(x)
        channels_first = x.unsqueeze(-1).flatten(2).transpose(0, 1)  # [channels, batch, positions]
        out = self.narrow(self.gate(self.widen(channels_first.flatten(1).mT)))
        return out.mT.reshape(channels_first.shape).transpose(0, 1).reshape(x.shape)


class FieldTransformerBlock(FieldLayer):
    r"""A transformer block of fields on a grid: where they are by a convolution, attention among all positions, then a small network of each.

    .. math:: h = x + \mathrm{conv}(x), \qquad h' = h + \mathrm{attention}(\mathrm{norm}\, h), \qquad y = h' + \mathrm{MLP}(\mathrm{norm}\, h')

    The convolution takes the place of an encoding of positions: it turns with the image. Law: f(g y) = g f(y), exact for turns that keep the
    lattice, as ``GroupConv2d`` for others; memory linear in the number of positions.

    Args:
        group: as for ``GroupConv2d``.
        fields: number of fields.
        field: representation of one field; regular by default.
        heads: of the attention.
        kernel_size: of the convolution, odd.
        dimension: axes of space, 1 to 3.

    Shapes:
        ``[batch, channels, *space]`` -> the same.

    Raises:
        EquivarianceError: as ``GroupConv2d`` and ``FieldAttention``.
        LayerError: another dimension.

    Chu et al. 2021, "Conditional positional encodings for vision transformers"; Romero & Cordonnier 2021.

    >>> import torch
    >>> from equishare import groups, nn
    >>> block = nn.FieldTransformerBlock(groups.dihedral(4), 4, heads=2)
    >>> block(torch.randn(2, 32, 7, 7)).shape
    torch.Size([2, 32, 7, 7])
    """

    def __init__(
        self,
        group: FiniteGroup | OrthogonalGroup,
        fields: int,
        field: Representation | None = None,
        *,
        heads: int = 1,
        kernel_size: int = 3,
        dimension: int = 2,
    ) -> None:
        if dimension not in _CONVOLUTIONS:
            raise LayerError(f"1 to 3 dimensions expected, got {dimension}")
        conv = _CONVOLUTIONS[dimension](group, fields, fields, kernel_size, field_in=field, field_out=field)
        rep = conv.rep_in
        super().__init__(rep, rep)
        self.dimension, self.place = dimension, conv
        self.attend = FieldAttention(fields, conv.field_in, heads)
        self.attend_norm, self.mlp_norm = FieldLayerNorm(rep), FieldLayerNorm(rep)
        self.mlp = FieldMLP(rep, fields * group.trivial() + 2 * fields * conv.field_in)

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *space"]:
        """The block."""
        self._check_channels(x, self.dimension)
        x = x + self.place(x)
        x = x + self.attend(self.attend_norm(x))
        return x + self.mlp(self.mlp_norm(x))
