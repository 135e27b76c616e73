"""Solving z = f(z) for a batch at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from equishare.nn.layer import LayerError

METHODS = ("anderson", "iteration")
MEMORY = 5  # past iterates that Anderson's method mixes


class ConvergenceWarning(UserWarning):
    """A fixed point was not found to the tolerance that was asked for."""


class ConvergenceError(LayerError):
    """An iteration towards a fixed point has left the finite numbers."""


@dataclass(frozen=True)
class Convergence:
    """How the search for a fixed point ended.

    Attributes:
        iterations: evaluations of f.
        residual: the largest ``|f(z) - z| / |f(z)|`` of the batch, at the point returned.
        converged: whether that is below the tolerance.
    """

    iterations: int
    residual: float
    converged: bool


def _mixture(points: Tensor, images: Tensor) -> Float[Tensor, "batch n"]:
    """sum_i a_i f(z_i) with the a_i, of sum one, for which ``|sum_i a_i (f(z_i) - z_i)|`` is least; all of [batch, m, n]."""
    rests = images - points
    gram = (rests @ rests.mT).double()
    m = gram.shape[-1]
    size = gram.diagonal(dim1=-2, dim2=-1).clamp(min=torch.finfo(points.dtype).tiny)
    unit = size.rsqrt()  # residuals of length one, so that late ones weigh as much as early ones
    ridge = 10 * torch.finfo(points.dtype).eps * torch.eye(m, dtype=gram.dtype, device=gram.device)
    ratio = (size.amin(dim=-1, keepdim=True) / size).sqrt()
    gram = gram * unit.unsqueeze(-1) * unit.unsqueeze(-2) + ridge
    a = torch.linalg.solve(gram, ratio.unsqueeze(-1))[..., 0] * ratio
    return ((a / a.sum(-1, keepdim=True)).to(images.dtype).unsqueeze(1) @ images)[:, 0]


@torch.no_grad()
def fixed_point(
    f: Callable[[Tensor], Tensor],
    start: Float[Tensor, " batch *state"],
    *,
    method: str = "anderson",
    tolerance: float = 1e-5,
    max_iterations: int = 100,
) -> tuple[Float[Tensor, " batch *state"], Convergence]:
    """A point z with ``|f(z) - z| <= tolerance |f(z)|`` for each sample of the batch, or the nearest to it that was found.

    ``"iteration"`` is z <- f(z). ``"anderson"`` mixes the last five images so that their residual is least (Walker & Ni
    2011), sample by sample; a mixture that does not come nearer is followed by a plain step from the best point so
    far, so that both converge wherever f contracts.

    Raises:
        LayerError: the method is unknown, there is no iteration or no batch, or f changes the state's shape.
        ConvergenceError: f gives NaN or infinity.

    >>> z, convergence = fixed_point(torch.cos, torch.zeros(1, 1), tolerance=1e-6)
    >>> round(float(z), 4), convergence.converged, convergence.iterations < 10
    (0.7391, True, True)
    """
    if method not in METHODS or max_iterations < 1 or start.ndim < 1:
        raise LayerError(
            f"method: one of {METHODS}, max_iterations from 1 up and a start [batch, ...] expected, got {method!r}, "
            f"{max_iterations} and {list(start.shape)}"
        )
    if not len(start):
        return start.clone(), Convergence(0, 0.0, True)  # never the start itself, which autograd may not be handed back
    z = start
    best = best_image = torch.empty(0)
    points: list[Tensor] = []
    images: list[Tensor] = []
    for k in range(1, max_iterations + 1):
        image = f(z)
        if image.shape != z.shape:
            raise LayerError(f"a map from the state to itself expected, got {list(z.shape)} to {list(image.shape)}")
        flat, flat_image = z.unsqueeze(-1).flatten(1), image.unsqueeze(-1).flatten(1)
        rest = (flat_image - flat).norm(dim=1)
        if not bool(rest.isfinite().all()):
            raise ConvergenceError(f"the state is not finite after {k} steps: the map does not contract")
        if k == 1:
            least = torch.full_like(rest, torch.inf)
            best, best_image = flat, flat_image
            mixed = torch.zeros_like(rest, dtype=torch.bool)
        nearer = rest < least
        best = torch.where(nearer.unsqueeze(1), flat, best)
        best_image = torch.where(nearer.unsqueeze(1), flat_image, best_image)
        least = torch.where(nearer, rest, least)
        residual = float((least / best_image.norm(dim=1).clamp(min=torch.finfo(z.dtype).tiny)).max())
        if residual <= tolerance:
            break
        if method == "iteration":
            step = flat_image
        else:
            points, images = [*points, flat][-MEMORY:], [*images, flat_image][-MEMORY:]
            mixture = _mixture(torch.stack(points, 1), torch.stack(images, 1))
            failed = (
                mixed & ~nearer
            )  # then a plain step from the best point, which always comes nearer under contraction
            step = torch.where(failed.unsqueeze(1), best_image, mixture)
            mixed = ~failed
        z = step.reshape(z.shape)
    return best.reshape(z.shape), Convergence(k, residual, residual <= tolerance)
