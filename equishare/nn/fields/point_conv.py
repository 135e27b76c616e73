"""Convolutions of features on points anywhere in the plane or in space."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from equishare.groups.finite import FiniteGroup
from equishare.groups.orthogonal import OrthogonalGroup
from equishare.groups.representation import Representation
from equishare.nn.feature_types import require_whole
from equishare.nn.fields.initialisation import gain_after, product_scale
from equishare.nn.layer import EquivarianceError, FieldLayer, LayerError
from equishare.ops.edges import Edges
from equishare.sharing.bilinear import bilinear
from equishare.sharing.harmonics import Harmonics
from equishare.sharing.shared_weights import Call, SharedWeight


class PointConv(FieldLayer):
    r"""A convolution whose taps are where the points are: each neighbour counts by its place, through harmonics times radial functions.

    .. math:: y_i = b + \frac{1}{\sqrt \nu} \sum_{j \to i} W(x_j - x_i)\, f_j, \qquad
              W(r) = \sum_{n, m} w_{nm}\, e^{-(|r| - r_n)^2 / 2 s^2}\, Y_m(r / |r|)

    where W holds all that turns with the fields. Law: f(g x, rho_in(g) f) = rho_out(g) y for every g, translations and permutations
    included; exact, for there is no grid. The radial functions do not end: with neighbours up to the last radius plus 3 s the output is
    continuous but for a hundredth of a neighbour's part.

    Args:
        group: SO(2), O(2), SO(3), O(3), or any finite group of the plane or of space.
        in_fields: number of fields of the input.
        out_fields: number of fields of the output.
        field_in: representation of one input field.
        field_out: representation of one output field.
        radii: r_n, rising, in the unit of the positions.
        width: s; the least distance between radii by default.
        degree: highest frequency or degree of the harmonics.
        neighbours: nu, the mean number of neighbours.
        bias: whether to add an invariant bias.

    Shapes:
        x ``[points, in]``, positions ``[points, d]``, edge_index ``[2, edges]`` (PyG: row 0 sends, row 1 receives) -> ``[points, out]``.

    Raises:
        EquivarianceError: the group turns no space of two or three dimensions.
        LayerError: an argument is out of range, or an input does not fit.

    Thomas et al. 2018, "Tensor field networks"; Weiler & Cesa 2019.

    >>> from equishare import groups
    >>> O3 = groups.o3()
    >>> layer = PointConv(O3, 2, 4, O3.irreps("0e+1o"), O3.irreps("0e+1o"), radii=(0.0, 1.0, 2.0))
    >>> index = torch.tensor([[0, 1, 2], [1, 0, 0]])
    >>> layer(torch.randn(3, 8), positions=torch.randn(3, 3), edge_index=index).shape
    torch.Size([3, 16])
    """

    def __init__(
        self,
        group: FiniteGroup | OrthogonalGroup,
        in_fields: int,
        out_fields: int,
        field_in: Representation,
        field_out: Representation,
        *,
        radii: Sequence[float],
        width: float | None = None,
        degree: int = 2,
        neighbours: float = 1.0,
        bias: bool = True,
    ) -> None:
        super().__init__(in_fields * field_in, out_fields * field_out)
        dimension = group.defining().size
        if dimension not in (2, 3):
            raise EquivarianceError(f"a group of the plane or of space is needed, {group} turns {dimension} dimensions")
        require_whole(0, degree=degree)
        rising = len(radii) > 0 and min(radii) >= 0 and all(a < b for a, b in pairwise(radii))
        if not rising or not neighbours > 0 or (width is not None and not width > 0):
            raise LayerError(
                f"rising radii from 0 up, neighbours > 0 and width > 0 expected, got {radii}, {neighbours} and {width}"
            )
        self.group, self.in_fields, self.out_fields = group, in_fields, out_fields
        self.neighbours = neighbours
        spread = min((b - a for a, b in pairwise(radii)), default=1.0) if width is None else width
        # at the origin a direction is nobody's: there stand no harmonics
        shells = tuple((float(r), m) for r in radii for m in range(degree + 1) if r > 0 or m == 0)
        self.harmonics = Harmonics(dimension, shells, float(spread))
        self.pattern = bilinear(field_in, self.harmonics.representation(group), field_out)
        self.bias_pattern = bilinear(group.trivial(), group.trivial(), field_out)
        self.weight = nn.Parameter(torch.empty(out_fields, in_fields, self.pattern.n_free))
        self.bias = nn.Parameter(torch.empty(out_fields, self.bias_pattern.n_free)) if bias else None
        self.scale = gain_after(field_out) * product_scale(self.pattern) / in_fields**0.5
        self.reset_parameters()
        self.to(torch.get_default_device())

    def reset_parameters(self) -> None:
        """Draw base weights that keep the second moment for as many neighbours as were said; the bias is zero."""
        nn.init.normal_(self.weight, std=self.scale)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def full_weight(self) -> Float[Tensor, out in functions]:
        """What each function of the place carries from each channel to each."""
        full = self.pattern.expand(self.weight).transpose(1, 2)  # [out_fields, out, in_fields, in, functions]
        return full.reshape(self.out_channels, self.in_channels, -1)

    def forward(
        self,
        x: Float[Tensor, "points in"],
        *,
        positions: Float[Tensor, "points d"],
        edge_index: Int[Tensor, "2 edges"],
    ) -> Float[Tensor, "points out"]:
        """Sum over neighbours: first each function of their places times their features, then the weights."""
        functions = self.functions(x, positions, edge_index)
        return self.sum_up(x[edge_index[0]], functions, edge_index[1], x.shape[0], self.neighbours)

    def functions(
        self, x: Float[Tensor, "points in"], positions: Float[Tensor, "points d"], edge_index: Int[Tensor, "2 edges"]
    ) -> Float[Tensor, "edges functions"]:
        """The functions of each neighbour's place, from where its receiver is."""
        self._check_channels(x, 0)
        if positions.shape != (x.shape[0], self.harmonics.dimension):
            raise LayerError(
                f"positions [{x.shape[0]}, {self.harmonics.dimension}] expected, got {list(positions.shape)}"
            )
        self.require_numbers(positions, edge_index=edge_index)
        sender, receiver = Edges(edge_index, x.shape[0]).edge_index
        return self.harmonics.values(positions[sender] - positions[receiver])

    def sum_up(
        self,
        sent: Float[Tensor, "edges in"],
        functions: Float[Tensor, "edges functions"],
        receiver: Int[Tensor, " edges"],
        points: int,
        neighbours: float = 1.0,
    ) -> Float[Tensor, "points out"]:
        """What each edge sends, summed up at its receiver function by function, and then weighed."""
        terms = sent.unsqueeze(2) * functions.unsqueeze(1)
        sums = terms.new_zeros(points, *terms.shape[1:]).index_add(0, receiver, terms)
        out = sums.flatten(1) @ self.full_weight().flatten(1).mT / neighbours**0.5
        return out if self.bias is None else out + self.bias_pattern.expand(self.bias).reshape(-1)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """The patterns of weight and bias; each serves every edge, and every point."""
        edges, points = (1, 1) if call is None else (call.inputs[-1][1], call.output[0])
        found = {"weight": SharedWeight.of(self.pattern, self.out_fields * self.in_fields, edges, "edges")}
        if self.bias is not None:
            found["bias"] = SharedWeight.of(self.bias_pattern, self.out_fields, points, "points")
        return found

    def extra_repr(self) -> str:
        """Fields and functions."""
        return f"{self.rep_in} -> {self.rep_out}, {len(self.harmonics.shells)} shells"
