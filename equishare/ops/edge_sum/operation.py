"""The edge sum of the density convolution, closed under two derivatives."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from equishare.ops.axes import check_axes
from equishare.ops.backend import implementation
from equishare.ops.closed import closed
from equishare.ops.components import degree_count
from equishare.ops.edge_sum import torch as formula
from equishare.ops.edges import Edges
from equishare.ops.in_graph import kernels_in_graph, loops, loops_in_graph
from equishare.ops.threads import as_array, atom_ranges, run_ranges, total


def edge_sum(
    radial: Float[Tensor, "edges degrees channels"],
    scalars: Float[Tensor, "atoms channels"],
    features: Float[Tensor, "components_in atoms channels"],
    harmonics: Float[Tensor, "edges components"],
    edges: Edges,
) -> Float[Tensor, "components atoms channels"]:
    r"""Sum over neighbours, without a tensor product on edges.

    .. math:: A_i[lm] = \sum_{j \to i} R_l(r_{ij})\, \big( s_j\, Y_{lm}(\hat r_{ij}) + x_j[lm] \big)

    Degrees 0..L of the radial weights and harmonics, 1..K of the features with K <= L (no features at all: an empty first axis).
    Component-major layout.

    Raises:
        LayerError: if shapes do not fit each other.
    """
    check_axes(
        {"edges": edges.edge_index.shape[1], "atoms": edges.n_atoms, "components": radial.shape[1] ** 2},
        radial=(radial, "edges degrees channels"),
        scalars=(scalars, "atoms channels"),
        features=(features, "components_in atoms channels"),
        harmonics=(harmonics, "edges components"),
    )
    given = radial, scalars, features, harmonics
    if loops_in_graph(radial):
        size = [harmonics.shape[1], *scalars.shape]
        return loops("edge_sum", "", edges.edge_index, edges.n_atoms, list(given), size)
    kernels = implementation(radial)
    if kernels == "torch":
        return formula.edge_sum(*given, edges)
    if kernels == "triton":
        from equishare.ops.edge_sum.triton import EdgeSumKernels

        return closed(EdgeSumKernels(edges), *given)
    return closed(EdgeSumLoops(edges), *given)


@cache
def sweeps(components: int) -> np.ndarray:
    """Rows (degree l, first component, how many) that divide each degree's components into threes and ones."""
    rows = []
    for degree in range(degree_count(components)):
        first, last = degree**2, (degree + 1) ** 2
        while first < last:
            rows.append((degree, first, 3 if first + 3 <= last else 1))
            first += rows[-1][2]
    return np.array(rows)


@dataclass(frozen=True)
class EdgeSumLoops:
    """The edge sum by compiled loops; factors are radial functions, scalars, features and harmonics."""

    edges: Edges

    def value(self, *factors: Tensor) -> Tensor:
        """The sums."""
        from equishare.ops.edge_sum import numba as loops

        radial, scalars, _, harmonics = factors
        out = radial.new_empty(harmonics.shape[1], *scalars.shape)
        run_ranges(
            *(loops.forward, self._ranges(harmonics, radial, 2)),
            *map(as_array, factors),
            *(*self._order(harmonics), out.numpy()),
        )
        return out

    def formula(self, *factors: Tensor) -> Tensor:
        """The sums in plain torch."""
        radial, scalars, features, harmonics = factors
        return formula.edge_sum(radial, scalars, features, harmonics, self.edges)

    def gradient(self, grad: Tensor, *factors: Tensor, wanted: tuple[bool, ...]) -> tuple[Tensor, ...]:
        """All four derivatives come from one sweep."""
        from equishare.ops.edge_sum import numba as loops

        radial, scalars, features, harmonics = factors
        ranges = self._ranges(harmonics, radial, 6)
        of_radial, of_harmonics = map(torch.empty_like, (radial, harmonics))
        of_scalars, of_features = (t.new_zeros(len(ranges), *t.shape) for t in (scalars, features))
        run_ranges(
            *(loops.backward, ranges),
            *(*map(as_array, (grad, *factors)), *self._order(harmonics)),
            *(of_radial.numpy(), of_harmonics.numpy()),
            own=(of_scalars, of_features),
        )
        return of_radial, total(of_scalars), total(of_features), of_harmonics

    def second(self, grad: Tensor, factors: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Derivative of value and gradient along the tangents."""
        from equishare.ops.edge_sum import numba as loops

        radial, scalars, features, harmonics = factors
        ranges = self._ranges(harmonics, radial, 12)
        of_grad, of_radial, of_harmonics = map(torch.empty_like, (grad, radial, harmonics))
        of_scalars, of_features = (t.new_zeros(len(ranges), *t.shape) for t in (scalars, features))
        run_ranges(
            *(loops.second, ranges),
            *(*map(as_array, (grad, *factors, *tangents)), *self._order(harmonics)),
            *(of_grad.numpy(), of_radial.numpy(), of_harmonics.numpy()),
            own=(of_scalars, of_features),
        )
        return of_grad, of_radial, total(of_scalars), total(of_features), of_harmonics

    def _ranges(self, harmonics: Tensor, radial: Tensor, passes: int) -> list[tuple[int, int]]:
        """Ranges of receivers for a loop that passes so many times over the components of the edges."""
        edges = self.edges
        return atom_ranges(edges.n_atoms, passes * harmonics.numel() * radial.shape[2], edges.receive_order[1])

    def _order(self, harmonics: Tensor) -> tuple[np.ndarray, ...]:
        return sweeps(harmonics.shape[1]), self.edges.ends[0], *self.edges.receive_order


@kernels_in_graph("edge_sum")
def _of_edges(_: str, edges: Edges) -> EdgeSumLoops:
    return EdgeSumLoops(edges)
