"""The density convolution: a sum over neighbours that is linear in the edges' work."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from equishare._e3nn import o3
from equishare.errors import LayerError
from equishare.nn.e3.irreps_linear import IrrepsLinear
from equishare.nn.feature_types import Invariants, require_whole
from equishare.nn.layer import Layer
from equishare.ops.components import component_degrees
from equishare.ops.edge_sum.operation import edge_sum
from equishare.ops.edges import Edges
from equishare.ops.layout import IrrepsLike, Layout
from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.pattern import near
from equishare.sharing.shared_weights import Call, SharedWeight


def natural_irreps(channels: int, l_max: int) -> str:
    """Irreps of natural parity (-1)^l up to a degree.

    >>> natural_irreps(8, 2)
    '8x0e+8x1o+8x2e'
    """
    return "+".join(f"{channels}x{degree}{'eo'[degree % 2]}" for degree in range(l_max + 1))


class DensityConv(Layer):
    r"""Sum over neighbours of their invariants times harmonics and of their features, both weighted by one radial function.

    .. math:: A_i[lm, c] = \frac{1}{\nu} \sum_{j \to i} R_{lc}(r_{ij}) \big( s_{jc}\, Y_{lm}(\hat r_{ij})
              + x_j[lm, c] \big), \qquad R_{lc}(r) = \sum_n W_{n,lc} B_n(r)

    where s are the invariant channels of x and x stands for its other irreps, as far as there are any. There is no tensor
    product on edges: an edge costs 2 (L + 1)^2 C products; the many-body products come after it, on atoms. Equivariant
    under O(3), translations and permutations: exact.

    Args:
        irreps_in: Irreps of x, natural parity, 0e first, degrees 0..K, none with more copies than 0e.
        l_max: Highest degree L >= K of the density.
        n_basis: Number N of radial functions.
        normalization: :math:`\nu`; the square root of the mean number of neighbours keeps the variance.

    Shapes:
        x ``[atoms, dim, channels]``, basis B ``[edges, n_basis]``, Y ``[edges, (L + 1)^2]``, edge_index ``[2, edges]`` (PyG:
        row 0 sends, row 1 receives) -> ``[atoms, (L + 1)^2, channels]``; or e3nn's ``[atoms, irreps_in.dim]`` ->
        ``[atoms, irreps_out.dim]``, which irreps of unequal multiplicities need.

    Raises:
        LayerError: if irreps_in is not 0e + 1o + 2e + ... up to K <= l_max, 0e with the most copies, or inputs do not fit each other.

    >>> import torch
    >>> conv = DensityConv("8x0e + 8x1o", l_max=2, n_basis=4)
    >>> index = torch.tensor([[0, 1], [1, 0]])
    >>> conv(torch.randn(2, 4, 8), torch.randn(2, 4), torch.randn(2, 9), index).shape
    torch.Size([2, 9, 8])
    """

    _degree: Tensor

    def __init__(self, irreps_in: IrrepsLike, l_max: int, n_basis: int, normalization: float = 1.0) -> None:
        super().__init__()
        require_whole(0, l_max=l_max)
        require_whole(n_basis=n_basis)
        self.layout_in = Layout.of(irreps_in)
        k_max = len(self.layout_in.degrees) - 1
        natural = o3.Irreps.spherical_harmonics(k_max)
        if (
            [ir for _, ir in self.layout_in.irreps] != [ir for _, ir in natural]
            or k_max > l_max
            or not normalization > 0
        ):
            raise LayerError(
                f"expected irreps of natural parity 0e + 1o + 2e + ... up to at most l_max={l_max} and a positive "
                f"normalization, got {self.layout_in.irreps} and {normalization}; any irreps: ChannelTensorProduct"
            )
        if self.layout_in.copies[0] < self.layout_in.channels:  # harmonics stand in the channels of invariants alone
            raise LayerError(
                f"expected no irrep with more copies than 0e, got {self.layout_in.irreps}; any: ChannelTensorProduct"
            )
        self.layout_out = Layout.of(natural_irreps(self.layout_in.channels, l_max))
        self.radial = nn.Linear(n_basis, (l_max + 1) * self.layout_in.channels, bias=False)
        nn.init.normal_(self.radial.weight, std=n_basis**-0.5)
        self.normalization = normalization
        self.rep_in = (self.layout_in, Invariants(n_basis), Layout.of(natural_irreps(1, l_max)))
        self.rep_out = self.layout_out
        self.register_buffer("_degree", torch.from_numpy(component_degrees(self.layout_out.dim)), persistent=False)
        self.to(torch.get_default_device())

    def forward(
        self,
        features: Float[Tensor, "atoms dim channels"] | Float[Tensor, "atoms flat"],
        basis: Float[Tensor, "edges n_basis"],
        harmonics: Float[Tensor, "edges components"],
        edge_index: Int[Tensor, "2 edges"] | Edges,
    ) -> Float[Tensor, "atoms dim_out channels"] | Float[Tensor, "atoms flat_out"]:
        """Sum over neighbours."""
        x = self.layout_in.read(features)
        self._check_edge_functions(basis, harmonics)
        edges = edge_index if isinstance(edge_index, Edges) else Edges(edge_index, x.shape[0])
        self.require_numbers(x, edge_index=edges.edge_index)
        radial = self.radial(basis / self.normalization).unflatten(1, (-1, self.layout_in.channels))
        major = x.transpose(0, 1)
        out = edge_sum(radial, major[0], major[1:], harmonics, edges).transpose(0, 1)
        return self.layout_out.write(out, features.ndim == 2)

    def of_kinds(
        self,
        weight: Float[Tensor, "components rows channels_out"],
        kind: Int[Tensor, "atoms"],
        basis: Float[Tensor, "edges n_basis"],
        harmonics: Float[Tensor, "edges components"],
        edge_index: Int[Tensor, "2 edges"] | Edges,
    ) -> Float[Tensor, "atoms dim_out channels_out"]:
        r"""The sum over neighbours where the features are ``table[kind]``, one row a kind of atom, by way of each kind's own sum.

        .. math:: A_i[lm, c] = \sum_{n, z} W_{n, lc}\, t_{zc} \; T_i[n, z, lm], \qquad
                  T_i[n, z, lm] = \frac{1}{\nu} \sum_{j \to i,\, z_j = z} B_n(r_{ij})\, Y_{lm}(\hat r_{ij})

        The same as ``forward(table[kind].unsqueeze(1), ...)`` to rounding. An edge costs N (L + 1)^2 products whatever the channels,
        which come in on atoms; it pays where an atom has more neighbours than there are kinds.

        Args:
            weight: W t, as `kind_weight` gives it.
            kind: Of each atom.
            basis: As in `forward`, and so are the harmonics and edges.
            harmonics: See there.
            edge_index: See there.

        T is the atomic base of Drautz, "Atomic cluster expansion" (2019).

        >>> import torch
        >>> conv, index = DensityConv("8x0e", l_max=2, n_basis=4), torch.tensor([[0, 1], [1, 0]])
        >>> table, kind = torch.randn(3, 8), torch.tensor([2, 0])
        >>> basis, harmonics = torch.randn(2, 4), torch.randn(2, 9)
        >>> same = conv(table[kind].unsqueeze(1), basis, harmonics, index)
        >>> torch.allclose(conv.of_kinds(conv.kind_weight(table), kind, basis, harmonics, index), same, atol=1e-5)
        True
        """
        self._check_edge_functions(basis, harmonics)
        edges = edge_index if isinstance(edge_index, Edges) else Edges(edge_index, kind.shape[0])
        n_rows, components = weight.shape[1], harmonics.shape[1]
        n_kinds = n_rows // basis.shape[1]
        terms = ((basis / self.normalization).unsqueeze(2) * harmonics.unsqueeze(1)).flatten(1)
        slot = edges.receiver * n_kinds + kind.index_select(0, edges.sender)
        sums = terms.new_zeros(edges.n_atoms * n_kinds, terms.shape[1]).index_add(0, slot, terms)
        # bmm takes three times as long where it has to find its way through strides
        rows = sums.view(edges.n_atoms, n_rows, components).permute(2, 0, 1).contiguous()
        return torch.bmm(rows, weight).transpose(0, 1)

    def kind_weight(
        self, table: Float[Tensor, "kinds channels"], mix: IrrepsLinear | None = None
    ) -> Float[Tensor, "components rows channels_out"]:
        r"""What `of_kinds` multiplies each kind's sums with: W t, a row for each kind and radial function.

        Args:
            table: Invariants t of each kind.
            mix: A linear map of the convolution's result, if one follows: here it has fewer rows than there are atoms.

        Raises:
            LayerError: if the features are not invariants alone.
        """
        if self.layout_in.dim != 1:
            raise LayerError(f"a kind has invariants alone (0e), but the input is {self.layout_in.irreps}")
        radial = self.radial.weight.view(-1, self.layout_in.channels, self.radial.in_features).transpose(1, 2)
        weight = (radial.unsqueeze(1) * table.unsqueeze(1)).flatten(1, 2).index_select(0, near(self._degree, radial))
        return weight if mix is None else mix(weight.transpose(0, 1)).transpose(0, 1)

    def _check_edge_functions(self, basis: Tensor, harmonics: Tensor) -> None:
        if basis.ndim != 2 or basis.shape[1] != self.radial.in_features:
            raise LayerError(f"expected a basis of shape [edges, {self.radial.in_features}], got {list(basis.shape)}")
        if harmonics.ndim != 2 or harmonics.shape[1] != self.layout_out.dim:
            raise LayerError(
                f"expected {self.layout_out.dim} harmonics (degrees 0..{self.layout_out.degrees[-1]}) of each edge, "
                f"got {list(harmonics.shape)}"
            )
        self.require_numbers(basis, harmonics)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """A radial weight serves the 2 l + 1 components of its degree, on every edge."""
        components, channels, n_basis = self.layout_out.dim, self.layout_in.channels, self.radial.in_features
        index = torch.arange(self.radial.weight.numel()).view(-1, channels, n_basis)
        pattern = IndexPattern(index[component_degrees(components)])
        edges = 1 if call is None else call.inputs[1][0]
        return {"radial.weight": SharedWeight.of(pattern, positions=edges, again="edges")}
