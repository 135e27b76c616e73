"""The limit of infinitely many tied layers: a fixed point, and its gradient without them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from equishare.nn.feature_types import require_whole
from equishare.nn.layer import Layer, LayerError
from equishare.nn.tied.fixed_point import METHODS, Convergence, ConvergenceWarning, fixed_point
from equishare.nn.tied.implicit import FixedPoint, Problem


class Equilibrium(Layer):
    """The fixed point z* = f(z*, inputs) of a block, and its implicit gradient: a net of infinite depth, memory of one layer.

    With J = df/dz at z* and v = dL/dz*, the gradient of the loss by weights and inputs is u^T df, where u = v + J^T u is a
    fixed point too (the implicit function theorem); nothing of the way to z* is kept. It equals the gradient through
    ``Iterated`` with iterations to convergence. The block should contract in z, ``|f(z) - f(z')| < |z - z'|``; then both
    converge. It must be the same function at each iteration: no dropout, no batch statistics. Law: if f(g z, g x) =
    g f(z, x), then z*(g x) = g z*(x), to the tolerance.

    Derivatives of any order are right, by autograd and by ``torch.func``: each is a fixed point of its own. They reach the block's parameters and
    the tensors among its inputs; what else a block may have got hold of is a constant. The number of iterations depends on the data, so
    the layer cannot be compiled or exported whole: ``Iterated`` can.

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
        require_whole(max_iterations=max_iterations)
        if method not in METHODS:
            raise LayerError(f"method: one of {METHODS} expected, got {method!r}")
        self.block, self.tolerance, self.max_iterations, self.method = block, tolerance, max_iterations, method
        self.convergence: Convergence | None = None
        self.backward_convergence: Convergence | None = None

    def _solve(self, f: Callable[[Tensor], Tensor], start: Tensor, name: str) -> Tensor:
        point, convergence = fixed_point(
            f, start, method=self.method, tolerance=self.tolerance, max_iterations=self.max_iterations
        )
        if name == "forward":
            self.convergence = convergence
        else:
            self.backward_convergence = convergence
        if not convergence.converged:
            warnings.warn(
                f"the {name} pass of Equilibrium stopped at a relative residual of {convergence.residual:.1e} after "
                f"{convergence.iterations} iterations, {self.tolerance:.1e} was asked for: make the block contract more "
                "(smaller weights, spectral normalisation), or allow more iterations",
                ConvergenceWarning,
                stacklevel=5,  # past forward and torch: the line that called the layer
            )
        return point

    def _state(self) -> dict[str, Tensor]:
        """The block's tensors by name; in a replica of ``torch.nn.DataParallel`` parameters are plain attributes."""
        state = {**dict(self.block.named_parameters()), **dict(self.block.named_buffers())}
        for path, module in self.block.named_modules():
            former: dict[str, Tensor | None] = getattr(module, "_former_parameters", {})
            state |= {f"{path}.{name}".lstrip("."): tensor for name, tensor in former.items() if tensor is not None}
        return state

    def forward(
        self, start: Float[Tensor, " batch *state"], *inputs: Any, **options: Any
    ) -> Float[Tensor, " batch *state"]:
        """The fixed point reached from ``start``, which has no gradient; inputs and options go to the block each time."""
        if torch.compiler.is_compiling():
            raise LayerError(
                "Equilibrium iterates until it has converged, which no graph can hold: compile or export "
                "nn.Iterated(block, iterations), or let the compiler break the graph here"
            )
        leaves, tree = tree_flatten((inputs, options))
        state = self._state()
        places = [k for k, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
        tensors = (*state.values(), *(leaves[k] for k in places))

        def prepare(*given: Tensor) -> Callable[[Tensor], Tensor]:
            present = (*self._state().values(), *(leaves[k] for k in places))
            if all(a is b for a, b in zip(given, present, strict=True)):  # nothing to exchange, as in the first pass
                return lambda z: self.block(z, *inputs, **options)
            own = dict(zip(state, given, strict=False))
            filled = list(leaves)
            for k, leaf in zip(places, given[len(state) :], strict=True):
                filled[k] = leaf
            arguments, named = tree_unflatten(filled, tree)
            return lambda z: torch.func.functional_call(self.block, own, (z, *arguments), named)

        problem = Problem(prepare, tuple(t.is_floating_point() for t in tensors), self._solve, "forward")
        return FixedPoint.apply(problem, start.detach(), *tensors)

    def extra_repr(self) -> str:
        """The settings."""
        return f"tolerance={self.tolerance}, max_iterations={self.max_iterations}, method={self.method!r}"
