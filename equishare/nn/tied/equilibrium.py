"""The limit of infinitely many tied layers: a fixed point, and its gradient without them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from equishare.nn.layer import Layer, LayerError
from equishare.nn.tied.fixed_point import METHODS, Convergence, ConvergenceWarning, fixed_point


class _ImplicitGradient(torch.autograd.Function):
    """The identity on f(z*), whose backward pass solves u = v + J^T u in place of passing v on."""

    @staticmethod
    def forward(
        ctx: Any, image: Tensor, point: Tensor, solve: Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]
    ) -> Tensor:
        ctx.image, ctx.point, ctx.solve = image, point, solve  # inputs, not outputs: no cycle
        return image.view_as(image)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        def adjoint(u: Tensor) -> Tensor:
            (back,) = torch.autograd.grad(ctx.image, ctx.point, u, retain_graph=True, allow_unused=True)
            return gradient if back is None else gradient + back

        return ctx.solve(adjoint, gradient), None, None


class Equilibrium(Layer):
    """The fixed point z* = f(z*, inputs) of a block, and its implicit gradient: a net of infinite depth, memory of one layer.

    With J = df/dz at z* and v = dL/dz*, the gradient of the loss by weights and inputs is u^T df, where u = v + J^T u is a
    fixed point too (the implicit function theorem); nothing of the way to z* is kept. It equals the gradient through
    ``Iterated`` with iterations to convergence. The block should contract in z, ``|f(z) - f(z')| < |z - z'|``; then both
    converge. It must be the same function at each iteration: no dropout, no batch statistics. Law: if f(g z, g x) =
    g f(z, x), then z*(g x) = g z*(x), to the tolerance.

    The gradient can be taken once: a second derivative raises torch's own error.

    Args:
        block: a module that takes the state [batch, ...], and whatever else ``forward`` is given, and returns the next state.
        tolerance: on ``|f(z) - z| / |f(z)|`` of each sample, forward and backward.
        max_iterations: evaluations of the block, forward and backward each.
        method: ``"anderson"`` or ``"iteration"``, see ``fixed_point``.

    Attributes:
        convergence: how the last forward pass ended, a ``Convergence``; None before.
        backward_convergence: how the last backward pass ended.

    Raises:
        LayerError: the method is unknown, or the block changes the state's shape.
        ConvergenceError: the iteration has left the finite numbers.

    Warns:
        ConvergenceWarning: the tolerance was not reached; the nearest point found is returned.

    Bai, Kolter & Koltun (2019), "Deep equilibrium models".

    >>> class Block(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.weight = nn.Parameter(0.5 * torch.eye(3))
    ...     def forward(self, z, x):
    ...         return torch.tanh(z @ self.weight + x)
    >>> layer = Equilibrium(Block())
    >>> x = torch.ones(2, 3)
    >>> z = layer(torch.zeros(2, 3), x)
    >>> torch.allclose(z, layer.block(z, x), atol=1e-4), layer.convergence.converged
    (True, True)
    """

    def __init__(
        self, block: nn.Module, *, tolerance: float = 1e-5, max_iterations: int = 100, method: str = "anderson"
    ) -> None:
        super().__init__()
        if isinstance(block, Layer):
            self.rep_in, self.rep_out = block.rep_in, block.rep_out
        if method not in METHODS or max_iterations < 1:
            raise LayerError(
                f"method: one of {METHODS}, and max_iterations from 1 up, expected, got {method!r} and {max_iterations}"
            )
        self.block, self.tolerance, self.max_iterations, self.method = block, tolerance, max_iterations, method
        self.convergence: Convergence | None = None
        self.backward_convergence: Convergence | None = None

    def _solve(self, f: Callable[[Tensor], Tensor], start: Tensor, name: str) -> tuple[Tensor, Convergence]:
        point, convergence = fixed_point(
            f, start, method=self.method, tolerance=self.tolerance, max_iterations=self.max_iterations
        )
        if not convergence.converged:
            warnings.warn(
                f"the {name} pass of Equilibrium stopped at a relative residual of {convergence.residual:.1e} after "
                f"{convergence.iterations} iterations, {self.tolerance:.1e} was asked for: make the block contract more "
                "(smaller weights, spectral normalisation), or allow more iterations",
                ConvergenceWarning,
                stacklevel=5,  # past forward and torch: the line that called the layer
            )
        return point, convergence

    def _solve_backward(self, adjoint: Callable[[Tensor], Tensor], gradient: Tensor) -> Tensor:
        solution, self.backward_convergence = self._solve(adjoint, gradient, "backward")
        return solution

    def forward(
        self, start: Float[Tensor, " batch *state"], *inputs: Any, **options: Any
    ) -> Float[Tensor, " batch *state"]:
        """The fixed point reached from ``start``, which has no gradient; inputs and options go to the block each time."""
        point, self.convergence = self._solve(lambda z: self.block(z, *inputs, **options), start.detach(), "forward")
        if not torch.is_grad_enabled():
            return point
        point = point.detach().requires_grad_()
        return _ImplicitGradient.apply(self.block(point, *inputs, **options), point, self._solve_backward)

    def extra_repr(self) -> str:
        """The settings."""
        return f"tolerance={self.tolerance}, max_iterations={self.max_iterations}, method={self.method!r}"
