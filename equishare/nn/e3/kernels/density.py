"""The edge sum of the density convolution, closed under two derivatives."""

from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from equishare.nn.e3.kernels.backend import implementation
from equishare.nn.e3.kernels.components import component_degrees
from equishare.nn.e3.kernels.edges import Edges


def density(
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
    """
    given = radial, scalars, features, harmonics
    if (name := implementation(radial)) != "torch":
        loops = import_module(f"equishare.nn.e3.kernels.density_{name}")
        return _Density.apply(*(factor.contiguous() for factor in given), edges, loops)
    degree = torch.from_numpy(component_degrees(harmonics.shape[1])).to(radial.device)
    sender = edges.sender
    sent = scalars[sender].unsqueeze(1) * harmonics.unsqueeze(2)
    if features.shape[0]:
        rest = harmonics.shape[1] - 1 - features.shape[0]
        sent = sent + torch.nn.functional.pad(features[:, sender].transpose(0, 1), (0, 0, 1, rest))
    terms = radial[:, degree] * sent
    zeros = terms.new_zeros(scalars.shape[0], *terms.shape[1:])
    return zeros.index_add(0, edges.receiver, terms).transpose(0, 1)


class _Density(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, radial: Tensor, scalars: Tensor, features: Tensor, harmonics: Tensor, edges: Edges, loops: ModuleType
    ) -> Tensor:
        ctx.save_for_backward(radial, scalars, features, harmonics)
        ctx.edges, ctx.loops = edges, loops
        return loops.value(radial, scalars, features, harmonics, edges)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return *_DensityBackward.apply(grad.contiguous(), *ctx.saved_tensors, ctx.edges, ctx.loops), None, None


class _DensityBackward(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        grad: Tensor,
        radial: Tensor,
        scalars: Tensor,
        features: Tensor,
        harmonics: Tensor,
        edges: Edges,
        loops: ModuleType,
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(grad, radial, scalars, features, harmonics)
        ctx.edges, ctx.loops = edges, loops
        return loops.gradient(grad, radial, scalars, features, harmonics, edges)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *tangents: Tensor) -> tuple[Tensor | None, ...]:
        contiguous = tuple(tangent.contiguous() for tangent in tangents)
        return *ctx.loops.second(ctx.saved_tensors, contiguous, ctx.edges), None, None
