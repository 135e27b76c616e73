"""Differentiating a fixed point without the way to it: the implicit function theorem, to any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

Map = Callable[[Tensor], Tensor]


def pushforward(f: Callable[..., Tensor], *points: Tensor) -> Callable[..., Tensor]:
    """The map of directions d to df = J d, linearised once.

    It is the gradient of a gradient, which may stand within forward-mode derivatives, where another of these may not.
    """
    image, pull = torch.func.vjp(f, *points)[:2]
    push = torch.func.vjp(pull, torch.zeros_like(image))[1]
    return lambda *directions: push(directions)[0]


@dataclass(frozen=True)
class Problem:
    """A map z -> f(z, tensors) whose fixed point is sought.

    Attributes:
        prepare: from the tensors that f depends on, the map of z alone.
        differentiable: which of the tensors are numbers that a derivative can be taken by.
        solve: the fixed point of a map from a start; the last argument says which pass it is.
        name: of the pass, for messages.
    """

    prepare: Callable[..., Map]
    differentiable: tuple[bool, ...]
    solve: Callable[[Map, Tensor, str], Tensor]
    name: str

    def numbers(self, tensors: Sequence[Any]) -> tuple[Any, ...]:
        """Those of the tensors that a derivative can be taken by."""
        return tuple(t for t, yes in zip(tensors, self.differentiable, strict=True) if yes)

    def image_of(self, point: Tensor, tensors: Sequence[Tensor]) -> Callable[..., Tensor]:
        """The function f(point, .) of the numbers among the tensors."""

        def image(*numbers: Tensor) -> Tensor:
            left = iter(numbers)
            return self.prepare(
                *(next(left) if yes else t for t, yes in zip(tensors, self.differentiable, strict=True))
            )(point)

        return image

    def adjoint(self) -> Problem:
        """The problem u = v + J^T u of the gradient, given v, the point and the tensors."""

        def prepare(gradient: Tensor, point: Tensor, *tensors: Tensor) -> Map:
            pull = torch.func.vjp(self.prepare(*tensors), point)[1]
            return lambda u: gradient + pull(u)[0]

        return Problem(prepare, (True, True, *self.differentiable), self.solve, "backward")

    def tangent(self) -> Problem:
        """The problem t = d + J t of a directional derivative, given d, the point and the tensors."""

        def prepare(direct: Tensor, point: Tensor, *tensors: Tensor) -> Map:
            push = pushforward(self.prepare(*tensors), point)
            return lambda t: direct + push(t)

        return Problem(prepare, (True, True, *self.differentiable), self.solve, "forward-mode")


class FixedPoint(torch.autograd.Function):
    """z* = f(z*, tensors), with dz* = (1 - J)^-1 df for J = df/dz at z*.

    Gradients and directional derivatives are fixed points of linear maps; they are found by this function again, so that
    derivatives of any order, and those of ``torch.func``, are right.
    """

    @staticmethod
    def forward(problem: Problem, start: Tensor, *tensors: Tensor) -> Tensor:
        """Find the point."""
        return problem.solve(problem.prepare(*tensors), start, problem.name)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep the point and what it depends on."""
        ctx.problem, _, *tensors = inputs
        ctx.save_for_backward(output, *tensors)
        ctx.save_for_forward(output, *tensors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient u^T df with u = gradient + J^T u."""
        problem: Problem = ctx.problem
        point, *tensors = ctx.saved_tensors
        u = FixedPoint.apply(problem.adjoint(), gradient, gradient, point, *tensors)
        pull = torch.func.vjp(problem.image_of(point, tensors), *problem.numbers(tensors))[1]
        left = iter(pull(u))
        return (None, None, *(next(left) if yes else None for yes in problem.differentiable))

    @staticmethod
    def jvp(ctx: Any, _: None, start: Tensor | None, *tangents: Tensor | None) -> Tensor:
        """The directional derivative t = df + J t."""
        problem: Problem = ctx.problem
        point, *tensors = ctx.saved_tensors
        numbers = problem.numbers(tensors)
        directions = tuple(
            torch.zeros_like(x) if d is None else d for x, d in zip(numbers, problem.numbers(tangents), strict=True)
        )
        direct = pushforward(problem.image_of(point, tensors), *numbers)(*directions)
        return FixedPoint.apply(problem.tangent(), direct, direct, point, *tensors)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], problem: Problem, start: Tensor, *tensors: Tensor) -> Any:
        """All instances at once: they are more samples of one batch."""
        size, dims = info.batch_size, in_dims[2:]
        start = start.expand(size, *start.shape) if in_dims[1] is None else start.movedim(in_dims[1], 0)

        def prepare(*given: Tensor) -> Map:
            each = torch.vmap(lambda z, *own: problem.prepare(*own)(z), in_dims=(0, *dims))
            return lambda z: each(z.unflatten(0, (size, -1)), *given).flatten(0, 1)

        out = FixedPoint.apply(replace(problem, prepare=prepare), start.flatten(0, 1), *tensors)
        return out.unflatten(0, (size, -1)), 0
