"""Autograd of an operation that is written out with its derivative and the derivative of that; beyond these its formula goes on."""

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Kernels(Protocol):
    """An operation of some tensors, its factors, with two derivatives.

    A sum of products, each linear in every factor, needs no more than these for a loss on forces: the derivative of `gradient` is one sweep too.
    """

    def value(self, *factors: Tensor) -> Tensor:
        """The operation."""
        ...

    def formula(self, *factors: Tensor) -> Tensor:
        """The same in plain torch, for derivatives beyond the second."""
        ...

    def gradient(self, grad: Tensor, *factors: Tensor, wanted: tuple[bool, ...]) -> tuple[Any, ...]:
        """Derivative by each factor of sum(grad * value); of one that is not wanted it may be None."""
        ...

    def second(self, grad: Tensor, factors: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Derivative by grad and by each factor of sum(tangents * gradient)."""
        ...


def closed(kernels: Kernels, *factors: Tensor) -> Tensor:
    """Run an operation so that it can be differentiated: once and twice by its kernels, more often by its formula.

    >>> class Square:
    ...     def value(self, x):
    ...         return x * x
    ...
    ...     formula = value
    ...
    ...     def gradient(self, grad, x, wanted):
    ...         return (2 * grad * x,)
    ...
    ...     def second(self, grad, factors, tangents):
    ...         return 2 * factors[0] * tangents[0], 2 * grad * tangents[0]
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> (slope,) = torch.autograd.grad(closed(Square(), x), x, create_graph=True)
    >>> slope.item(), torch.autograd.grad(slope, x)[0].item()
    (6.0, 2.0)
    """
    return _Value.apply(kernels, *(factor.contiguous() for factor in factors))


class _Value(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, kernels: Kernels, *factors: Tensor) -> Tensor:
        ctx.save_for_backward(*factors)
        ctx.kernels = kernels
        return kernels.value(*factors)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return None, *_Gradient.apply(ctx.kernels, ctx.needs_input_grad[1:], grad.contiguous(), *ctx.saved_tensors)


class _Gradient(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, kernels: Kernels, wanted: tuple[bool, ...], grad: Tensor, *factors: Tensor
    ) -> tuple[Tensor | None, ...]:
        ctx.save_for_backward(grad, *factors)
        ctx.kernels = kernels
        return kernels.gradient(grad, *factors, wanted=wanted)

    @staticmethod
    def backward(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor | None, ...]:
        grad, *factors = ctx.saved_tensors
        # a derivative that was not wanted has no tangent
        along = tuple(
            torch.zeros_like(f) if t is None else t.contiguous() for t, f in zip(tangents, factors, strict=True)
        )
        if torch.is_grad_enabled():  # this will be differentiated once more
            return None, None, *_second_by_formula(ctx.kernels, grad, factors, along)
        return None, None, *ctx.kernels.second(grad, tuple(factors), along)


def _second_by_formula(
    kernels: Kernels, grad: Tensor, factors: list[Tensor], tangents: tuple[Tensor, ...]
) -> tuple[Tensor | None, ...]:
    """`Kernels.second` by autograd, differentiable again."""
    # views, so that no other path leads to them: tangents may depend on the factors
    given = [t.view_as(t) if t.requires_grad else t.detach().requires_grad_() for t in (grad, *factors)]
    own, *parts = given
    gradient = torch.autograd.grad(kernels.formula(*parts), parts, own, create_graph=True, allow_unused=True)
    terms = [(t * g).sum() for t, g in zip(tangents, gradient, strict=True) if g is not None]
    along = torch.stack(terms).sum()
    return torch.autograd.grad(along, given, create_graph=True, allow_unused=True)
