"""The channel-wise tensor product of features with spherical harmonics."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from equishare.errors import LayerError
from equishare.nn.e3.multiplicities import ChannelLayer
from equishare.nn.feature_types import Invariants
from equishare.ops.edges import Edges
from equishare.ops.kept import kept
from equishare.ops.layout import IrrepsLike, Layout, read_irreps
from equishare.ops.tensor_product.operation import tensor_product
from equishare.ops.tensor_product.paths import TensorProductPaths


class ChannelTensorProduct(ChannelLayer):
    r"""Tensor product of neighbours' features with the harmonics of their edges, channel by channel, summed over neighbours.

    .. math:: z_i[p\, m_3, c] = \sum_{j \to i} w_{ij, p, c} \sum_{m_1 m_2}
              \sqrt{2 l_3 + 1}\; C^{l_1 l_2 l_3}_{m_1 m_2 m_3}\, x_j[l_1 m_1, c]\, Y_{l_2 m_2}(\hat r_{ij})

    for every path p = (l1, l2) -> l3 that O(3) allows, parity included; each path has its own components in the output. This is the
    product that e3nn calls 'uvu', with the weights of a radial network from outside, in one sweep over edges, and so
    the message of NequIP and MACE. The layer has no parameters. Equivariant under O(3) and permutations: exact.

    Without edges, the product alone: row by row, one row of features, harmonics and weights each. Its temporaries of megabytes gain a
    fifth in a process that keeps freed memory: ``equishare.memory.keep_freed_memory``.

    Args:
        irreps_in: Irreps of the features.
        irreps_harmonics: Irreps of the second factor, one channel, such as ``"0e + 1o + 2e"``.
        irreps_out: Irreps to keep, whatever their multiplicity; None: all that are reached, in e3nn's order.

    Attributes:
        layout_out: The irreps of the output, one entry a path: ordered as `irreps_out`, then by first and second factor, so that
            paths to one irrep stand together.
        n_paths: Number of paths.
        weight_numel: Number of weights of an edge, one for each path and copy of its first factor.

    Shapes:
        features ``[atoms, dim, channels]``, harmonics ``[edges, dim_harmonics]``, weight ``[edges, n_paths, channels]``,
        edge_index ``[2, edges]`` (PyG: row 0 sends, row 1 receives) -> ``[atoms, dim_out, channels]``;
        without edge_index ``edges`` rows of each; or e3nn's ``[atoms, irreps.dim]`` in and out, and for unequal multiplicities weight
        ``[edges, weight_numel]``, path after path.

    With `to_e3nn` and ``layout_out.irreps`` the output is that of `e3nn.o3.TensorProduct` with one 'uvu' instruction a path in the same
    order, up to the sign that an e3nn release gives its coefficients (see `clebsch_gordan`). `IrrepsLinear`
    takes ``layout_out.irreps`` as it is, and mixes the paths.

    Raises:
        LayerError: if the harmonics have more than one channel, no path leads to one of `irreps_out`, or shapes or types differ.

    Thomas et al., "Tensor field networks" (2018); Geiger and Smidt, "e3nn: Euclidean neural networks" (2022).

    >>> product = ChannelTensorProduct("8x0e + 8x1o", "0e + 1o + 2e", "0e + 1o")
    >>> product.layout_out.irreps
    8x0e+8x0e+8x1o+8x1o+8x1o
    >>> index = torch.tensor([[0, 1, 2], [1, 0, 0]])
    >>> product(torch.randn(3, 4, 8), torch.randn(3, 9), torch.randn(3, product.n_paths, 8), index).shape
    torch.Size([3, 11, 8])
    """

    def __init__(
        self, irreps_in: IrrepsLike, irreps_harmonics: IrrepsLike, irreps_out: IrrepsLike | None = None
    ) -> None:
        super().__init__()
        self.layout_in, self.layout_harmonics = Layout.of(irreps_in), Layout.of(irreps_harmonics)
        if self.layout_harmonics.channels != 1:
            raise LayerError(
                f"the second factor has one channel, that every channel of the features is multiplied with; "
                f"got {self.layout_harmonics.irreps}"
            )
        reached = {
            ir for _, ir1 in self.layout_in.irreps for _, ir2 in self.layout_harmonics.irreps for ir in ir1 * ir2
        }
        wanted = sorted(reached) if irreps_out is None else [ir for _, ir in read_irreps(irreps_out)]
        missing = [str(ir) for ir in wanted if ir not in reached]
        if missing or len(set(wanted)) != len(wanted):
            raise LayerError(
                f"expected irreps_out to name distinct irreps that {self.layout_in.irreps} x "
                f"{self.layout_harmonics.irreps} reaches, got {wanted} (not reached: {missing})"
            )
        self.paths = TensorProductPaths.of(self.layout_in, self.layout_harmonics, wanted)
        self.layout_out, self.n_paths = self.paths.out, len(self.paths)
        shape = self._shape_of_weights(self.layout_in.present[[first for first, _ in self.paths.factors]])
        self.weight_numel = math.prod(shape)
        self.rep_in = (self.layout_in, self.layout_harmonics, Invariants(shape[-1]))
        self.to(torch.get_default_device())
        self.rep_out = self.layout_out

    def forward(
        self,
        features: Float[Tensor, "atoms dim channels"] | Float[Tensor, "atoms flat"],
        harmonics: Float[Tensor, "edges components"],
        weight: Float[Tensor, "edges paths channels"] | Float[Tensor, "edges weights"],
        edge_index: Int[Tensor, "2 edges"] | Edges | None = None,
    ) -> Float[Tensor, "atoms dim_out channels"] | Float[Tensor, "atoms flat_out"]:
        """Multiply, and sum over neighbours."""
        x = self.layout_in.read(features)
        if self.channel_pattern is not None and weight.shape[1:] != (self.weight_numel,):
            raise LayerError(f"expected weights of shape [edges, {self.weight_numel}], got {list(weight.shape)}")
        if edge_index is None:
            edges = _each_row(features.shape[0], features.device)
        else:
            edges = edge_index if isinstance(edge_index, Edges) else Edges(edge_index, features.shape[0])
        self.require_numbers(x, harmonics, weight, edge_index=edges.edge_index)
        return self.layout_out.write(
            tensor_product(x, harmonics, self._table(weight), edges, self.paths), features.ndim == 2
        )

    def extra_repr(self) -> str:
        """Irreps of the factors and of the product."""
        return f"{self.layout_in.irreps} x {self.layout_harmonics.irreps} -> {self.layout_out.irreps}"


@kept
def _each_row(n: int, device: torch.device) -> Edges:
    """An edge from each row to itself."""
    rows = torch.arange(n, device=device)
    return Edges(torch.stack([rows, rows]), n)
