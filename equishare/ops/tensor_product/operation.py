"""The channel-wise tensor product with harmonics, summed over edges and closed under two derivatives."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from equishare.errors import LayerError
from equishare.ops.axes import check_axes
from equishare.ops.backend import uses_numba
from equishare.ops.closed import closed
from equishare.ops.edges import Edges
from equishare.ops.in_graph import kernels_in_graph, loops, loops_in_graph
from equishare.ops.tensor_product import torch as formula
from equishare.ops.tensor_product.paths import TensorProductPaths
from equishare.ops.threads import as_array, atom_ranges, run_ranges, total


def tensor_product(
    features: Float[Tensor, "atoms dim channels"],
    harmonics: Float[Tensor, "edges components"],
    weight: Float[Tensor, "edges paths channels"],
    edges: Edges,
    paths: TensorProductPaths,
) -> Float[Tensor, "atoms dim_out channels"]:
    r"""Sum over neighbours of the tensor product of their features with the edge's harmonics, channel by channel.

    .. math:: z_i[p\, m_3, c] = \sum_{j \to i} w_{ij, p, c} \sum_{m_1} M^{p}_{m_3 m_1}(\hat r_{ij})\, x_j[l_1 m_1, c], \qquad
              M^{p}_{m_3 m_1} = \sum_{m_2} C^{p}_{m_1 m_2 m_3} Y_{l_2 m_2}

    The harmonics are contracted first: their matrix is shared by all channels.

    Raises:
        LayerError: if shapes or types do not fit each other.
    """
    check_axes(
        {
            "edges": edges.edge_index.shape[1],
            "atoms": edges.n_atoms,
            "dim": paths.left.dim,
            "components": paths.right.dim,
            "paths": len(paths),
        },
        features=(features, "atoms dim channels"),
        harmonics=(harmonics, "edges components"),
        weight=(weight, "edges paths channels"),
    )
    if not features.dtype == harmonics.dtype == weight.dtype:
        raise LayerError(
            f"expected features, harmonics and weight of one type, got {features.dtype}, {harmonics.dtype} and "
            f"{weight.dtype}; convert them"
        )
    if loops_in_graph(features):
        factors, size = [features, harmonics, weight], [edges.n_atoms, paths.out.dim, features.shape[2]]
        return loops("tensor_product", paths.name, edges.edge_index, edges.n_atoms, factors, size)
    if uses_numba(features):
        return closed(TensorProductLoops(edges, paths), features, harmonics, weight)
    return formula.tensor_product(features, harmonics, weight, edges, paths)


@dataclass(frozen=True)
class TensorProductLoops:
    """The tensor product by compiled loops; factors are features, harmonics and weight."""

    edges: Edges
    paths: TensorProductPaths

    def value(self, *factors: Tensor) -> Tensor:
        """The products' sums."""
        from equishare.ops.tensor_product import numba as loops

        features = factors[0]
        out = features.new_empty(self.edges.n_atoms, self.paths.out.dim, features.shape[2])
        run_ranges(
            *(loops.forward, self._ranges(features, 1)),
            *map(as_array, factors),
            *(*self._order(features), out.numpy()),
        )
        return out

    def formula(self, *factors: Tensor) -> Tensor:
        """The products' sums in plain torch."""
        features, harmonics, weight = factors
        return formula.tensor_product(features, harmonics, weight, self.edges, self.paths)

    def gradient(self, grad: Tensor, *factors: Tensor, wanted: tuple[bool, ...]) -> tuple[Tensor, ...]:
        """All three derivatives come from one sweep."""
        from equishare.ops.tensor_product import numba as loops

        features, harmonics, weight = factors
        ranges = self._ranges(features, 3)
        of_harmonics, of_weight = torch.empty_like(harmonics), torch.empty_like(weight)
        of_features = features.new_zeros(len(ranges), *features.shape)
        run_ranges(
            *(loops.backward, ranges),
            *(*map(as_array, (grad, *factors)), *self._order(features)),
            *(of_harmonics.numpy(), of_weight.numpy()),
            own=(of_features,),
        )
        return total(of_features), of_harmonics, of_weight

    def second(self, grad: Tensor, factors: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Derivative of value and gradient along the tangents."""
        from equishare.ops.tensor_product import numba as loops

        features, harmonics, weight = factors
        ranges = self._ranges(features, 6)
        of_grad, of_harmonics, of_weight = map(torch.empty_like, (grad, harmonics, weight))
        of_features = features.new_zeros(len(ranges), *features.shape)
        run_ranges(
            *(loops.second, ranges),
            *(*map(as_array, (grad, *factors, *tangents)), *self._order(features)),
            *(of_grad.numpy(), of_harmonics.numpy(), of_weight.numpy()),
            own=(of_features,),
        )
        return of_grad, total(of_features), of_harmonics, of_weight

    def _ranges(self, features: Tensor, passes: int) -> list[tuple[int, int]]:
        """Ranges of receivers for a loop that passes so many times over the entries of the edges' matrices."""
        entries = sum(table.shape[0] * table.shape[2] for table in self.paths.coefficients)
        work = passes * len(self.edges) * entries * features.shape[2]
        return atom_ranges(self.edges.n_atoms, work, self.edges.receive_order[1])

    def _order(self, features: Tensor) -> tuple[Any, ...]:
        return self.paths.table(features.dtype), self.edges.ends[0], *self.edges.receive_order


@kernels_in_graph("tensor_product")
def _of_paths(name: str, edges: Edges) -> TensorProductLoops:
    return TensorProductLoops(edges, TensorProductPaths.named(name))
