"""The channel-wise Clebsch-Gordan product, closed under two derivatives."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from equishare.nn.e3.kernels.backend import implementation
from equishare.nn.e3.kernels.calls import as_array, atom_ranges, run_ranges, total
from equishare.nn.e3.kernels.coupling import Coupling


def product(
    left: Float[Tensor, "components_left atoms channels"],
    right: Float[Tensor, "components_right atoms channels"],
    weight: Float[Tensor, "kinds paths channels"],
    kind: Int[Tensor, "atoms"],
    coupling: Coupling,
) -> Float[Tensor, "components_out atoms channels"]:
    r"""Weighted sum over coupling paths, channel by channel.

    .. math:: z_n[l_3 m_3, c] = \sum_{p} w_{k(n), p, c} \sum_{m_1 m_2} C^{p}_{m_1 m_2 m_3} a_n[l_1 m_1, c]\, b_n[l_2 m_2, c]

    Each atom n uses the path weights of its kind. Component-major layout. For a symmetric coupling give the same
    tensor twice.
    """
    kernels = implementation(left)
    if kernels == "triton":
        from equishare.nn.e3.kernels import product_triton

        return product_triton.product(left, right, weight, kind, coupling)
    if kernels == "numba":
        right_or_none = None if coupling.symmetric else right.contiguous()
        return _Product.apply(left.contiguous(), right_or_none, weight.contiguous(), kind, coupling)
    path, component, first, second, coefficient = coupling.tensors(left.dtype, left.device)
    terms = left[first] * right[second] * weight[kind][:, path].transpose(0, 1) * coefficient[:, None, None]
    zeros = terms.new_zeros(coupling.out.dim, *terms.shape[1:])
    return zeros.index_add(0, component, terms)


def _ranges(coupling: Coupling, left: Tensor, passes: int) -> list[tuple[int, int]]:
    """Ranges of atoms for a loop that passes so many times over the entries."""
    _, n_atoms, channels = left.shape
    return atom_ranges(n_atoms, passes * len(coupling.entries) * n_atoms * channels)


def _tangents(
    given: tuple[Tensor | None, ...], left: Tensor, right: Tensor | None, weight: Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tangents of left, right and weight; where autograd has none they are zero."""
    of_left, of_weight = given[0], given[-1]
    of_right = of_left if right is None else given[1]
    like = (left, left if right is None else right, weight)
    filled = (
        torch.zeros_like(t) if u is None else u for u, t in zip((of_left, of_right, of_weight), like, strict=True)
    )
    first, second, third = map(as_array, filled)
    return first, second, third


def product_value(left: Tensor, right: Tensor | None, weight: Tensor, kind: Tensor, coupling: Coupling) -> Tensor:
    """`product` by compiled loops, of contiguous tensors and out of autograd's sight; None: of a tensor with itself."""
    from equishare.loops import product as loops

    out = left.new_empty(coupling.out.dim, *left.shape[1:])
    a, w, z = map(as_array, (left, weight, kind))
    b = a if right is None else as_array(right)
    run_ranges(loops.forward, _ranges(coupling, left, 1), a, b, w, z, coupling.table(left.dtype), out.numpy())
    return out


def product_gradient(
    grad: Tensor,
    left: Tensor,
    right: Tensor | None,
    weight: Tensor,
    kind: Tensor,
    coupling: Coupling,
    of_left: Tensor,
    of_right: Tensor,
    fitted: bool = False,
) -> Tensor | None:
    """Add the derivatives by both factors to `of_left` and `of_right`, which may not overlap; return that by a fitted weight."""
    from equishare.loops import product as loops

    g, a, w, z = map(as_array, (grad, left, weight, kind))
    b = a if right is None else as_array(right)
    ranges = _ranges(coupling, left, 3)
    # frozen weights, as in dynamics: no buffer, and the loop leaves their derivative out
    of_weight = weight.new_zeros(len(ranges), *(weight.shape if fitted else (0, 0, 0)))
    run_ranges(
        *(loops.backward, ranges, g, a, b, w, z, coupling.table(left.dtype)),
        *(of_left.numpy(), of_right.numpy()),
        own=(of_weight,),
    )
    return total(of_weight) if fitted else None


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, left: Tensor, right: Tensor | None, weight: Tensor, kind: Tensor, coupling: Coupling
    ) -> Tensor:
        ctx.save_for_backward(left, right, weight, kind)
        ctx.coupling = coupling
        return product_value(left, right, weight, kind, coupling)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        left, right, weight, kind = ctx.saved_tensors
        fitted = ctx.needs_input_grad[2]
        grads = _ProductBackward.apply(grad.contiguous(), left, right, weight, kind, ctx.coupling, fitted)
        if right is None:
            return grads[0], None, grads[1], None, None
        return *grads, None, None


class _ProductBackward(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        grad: Tensor,
        left: Tensor,
        right: Tensor | None,
        weight: Tensor,
        kind: Tensor,
        coupling: Coupling,
        fitted: bool,
    ) -> tuple[Tensor | None, ...]:
        ctx.save_for_backward(grad, left, right, weight, kind)
        ctx.coupling = coupling
        of_left, of_right = torch.zeros_like(left), torch.zeros_like(left if right is None else right)
        of_weight = product_gradient(grad, left, right, weight, kind, coupling, of_left, of_right, fitted)
        return (of_left + of_right, of_weight) if right is None else (of_left, of_right, of_weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor | None, ...]:
        from equishare.loops import product as loops

        grad, left, right, weight, kind = ctx.saved_tensors
        g, a, w, z = map(as_array, (grad, left, weight, kind))
        b = a if right is None else as_array(right)
        ua, ub, uw = _tangents(tangents, left, right, weight)
        d_grad, d_left = torch.zeros_like(grad), torch.zeros_like(left)
        d_right = torch.zeros_like(left if right is None else right)
        ranges = _ranges(ctx.coupling, left, 6)
        d_weight = weight.new_zeros(len(ranges), *weight.shape)
        run_ranges(
            *(loops.second, ranges, g, a, b, w, ua, ub, uw, z, ctx.coupling.table(left.dtype)),
            *(d_grad.numpy(), d_left.numpy(), d_right.numpy()),
            own=(d_weight,),
        )
        of_factors = (d_left + d_right, None) if right is None else (d_left, d_right)
        return d_grad, *of_factors, total(d_weight), None, None, None
