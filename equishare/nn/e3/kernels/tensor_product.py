"""The channel-wise tensor product with harmonics, summed over edges and closed under two derivatives."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from equishare.nn.e3.kernels.backend import uses_numba
from equishare.nn.e3.kernels.calls import as_array, atom_ranges, run_ranges, total
from equishare.nn.e3.kernels.edges import Edges
from equishare.nn.e3.kernels.paths import TensorProductPaths


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
    """
    if uses_numba(features):
        return _TensorProduct.apply(features.contiguous(), harmonics.contiguous(), weight.contiguous(), edges, paths)
    sent = features[edges.sender]
    terms = []
    for p, (left, right, coefficients) in enumerate(paths.tensors(features)):
        matrix = torch.einsum("ijk,ej->eki", coefficients, harmonics[:, right])
        terms.append(torch.bmm(matrix, sent[:, left] * weight[:, p : p + 1]))
    messages = torch.cat(terms, dim=1)
    return messages.new_zeros(edges.n_atoms, *messages.shape[1:]).index_add(0, edges.receiver, messages)


def _ranges(edges: Edges, x: Tensor, paths: TensorProductPaths, passes: int) -> list[tuple[int, int]]:
    """Ranges of receivers for a loop that passes so many times over the entries of the edges' matrices."""
    starts = edges.receive_order[1]
    entries = sum(table.shape[0] * table.shape[2] for table in paths.coefficients)
    return atom_ranges(edges.n_atoms, passes * len(edges) * entries * x.shape[2], starts)


class _TensorProduct(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, harmonics: Tensor, weight: Tensor, edges: Edges, paths: TensorProductPaths
    ) -> Tensor:
        from equishare.loops import tensor_product as loops

        out = features.new_empty(edges.n_atoms, paths.out.dim, features.shape[2])
        run_ranges(
            *(loops.forward, _ranges(edges, features, paths, 1)),
            *map(as_array, (features, harmonics, weight)),
            *(paths.table(features.dtype), edges.ends[0], *edges.receive_order, out.numpy()),
        )
        ctx.save_for_backward(features, harmonics, weight)
        ctx.edges, ctx.paths = edges, paths
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grads = _TensorProductBackward.apply(grad.contiguous(), *ctx.saved_tensors, ctx.edges, ctx.paths)
        return *grads, None, None


class _TensorProductBackward(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        grad: Tensor,
        features: Tensor,
        harmonics: Tensor,
        weight: Tensor,
        edges: Edges,
        paths: TensorProductPaths,
    ) -> tuple[Tensor, ...]:
        from equishare.loops import tensor_product as loops

        ctx.save_for_backward(grad, features, harmonics, weight)
        ctx.edges, ctx.paths = edges, paths
        ranges = _ranges(edges, features, paths, 3)
        g_harmonics, g_weight = torch.empty_like(harmonics), torch.empty_like(weight)
        g_features = features.new_zeros(len(ranges), *features.shape)
        run_ranges(
            *(loops.backward, ranges),
            *map(as_array, (grad, features, harmonics, weight)),
            *(paths.table(features.dtype), edges.ends[0], *edges.receive_order),
            *(g_harmonics.numpy(), g_weight.numpy()),
            own=(g_features,),
        )
        return total(g_features), g_harmonics, g_weight

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *tangents: Tensor) -> tuple[Tensor | None, ...]:
        from equishare.loops import tensor_product as loops

        grad, features, harmonics, weight = ctx.saved_tensors
        edges, paths = ctx.edges, ctx.paths
        ranges = _ranges(edges, features, paths, 6)
        d_grad, d_harmonics, d_weight = (torch.empty_like(t) for t in (grad, harmonics, weight))
        d_features = features.new_zeros(len(ranges), *features.shape)
        run_ranges(
            *(loops.second, ranges),
            *map(as_array, (*ctx.saved_tensors, *tangents)),
            *(paths.table(features.dtype), edges.ends[0], *edges.receive_order),
            *(d_grad.numpy(), d_harmonics.numpy(), d_weight.numpy()),
            own=(d_features,),
        )
        return d_grad, total(d_features), d_harmonics, d_weight, None, None
