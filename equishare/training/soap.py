"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class SOAP(torch.optim.Optimizer):
    r"""Adam, run in a slowly turning eigenbasis of the gradient's row and column covariances.

    .. math:: L \leftarrow \beta_2 L + (1 - \beta_2) G G^T, \quad R \leftarrow \beta_2 R + (1 - \beta_2) G^T G, \qquad
              W \leftarrow W - \eta\, Q_L\, \mathrm{Adam}(Q_L^T G Q_R)\, Q_R^T

    with the columns of Q_L and Q_R the eigenvectors of L and R, followed by one power iteration every few steps. The last two
    axes of a parameter are a matrix, the axes before them a batch of matrices (an irrep each in `IrrepsLinear`). Vectors, and
    sides longer than `max_size`, keep their own axes: there it is plain Adam. Parameters whose matrices have one shape are updated as one
    batch, for many small products cost more than one large; no gradient counts as a gradient of zero.

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate η.
        betas: Decay of the first moment, and of the second moment and covariances.
        eps: Added to the root of the second moment.
        precondition_every: Steps between two updates of the eigenbasis.
        max_size: Longest side that gets a basis of its own.

    Raises:
        ValueError: if lr or a beta is out of range.

    From Vyas et al., "SOAP: Improving and stabilizing Shampoo using Adam" (2024).

    >>> weight = torch.nn.Parameter(torch.eye(3))
    >>> optimizer = SOAP([weight], lr=0.1)
    >>> for _ in range(100):
    ...     optimizer.zero_grad()
    ...     weight.square().sum().backward()
    ...     optimizer.step()
    >>> bool(weight.abs().max() < 0.1)
    True
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.04,
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-8,
        precondition_every: int = 10,
        max_size: int = 256,
    ) -> None:
        if not lr > 0 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"expected lr > 0 and betas in [0, 1), got lr={lr}, betas={betas}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})
        self.precondition_every = precondition_every
        self.max_size = max_size

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step; the first only learns the basis."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for stack in _stacks(group["params"]):
                if any(parameter.grad is not None for parameter in stack):
                    self._update(stack, group)
        return loss

    def _update(self, stack: list[Tensor], group: dict[str, Any]) -> None:
        matrix = torch.cat([_matrices(torch.zeros_like(p) if p.grad is None else p.grad) for p in stack])
        state = self.state[stack[0]]
        beta1, beta2 = group["betas"]
        if not state:
            self._start(state, matrix, stack[0].ndim > 1)
            self._accumulate(state, matrix, 1 - beta2)
            for side in ("left", "right"):
                if side in state:
                    # in single precision LAPACK may give NaN for the low rank of a first gradient
                    state[f"{side}_basis"] = torch.linalg.eigh(state[side].double())[1].to(matrix)
            return
        self._accumulate(state, matrix, 1 - beta2)
        state["step"] += 1
        rotated = _rotate(state, matrix)
        state["first"].lerp_(rotated, 1 - beta1)
        state["second"].mul_(beta2).addcmul_(rotated, rotated, value=1 - beta2)
        root = (state["second"] / (1 - beta2 ** state["step"])).sqrt_().add_(group["eps"])
        direction = _rotate_back(state, state["first"] / root)
        rate = group["lr"] / (1 - beta1 ** state["step"])
        parts = direction.split([len(_matrices(parameter)) for parameter in stack])
        for parameter, part in zip(stack, parts, strict=True):
            parameter.sub_(part.reshape(parameter.shape), alpha=rate)
        if state["step"] % self.precondition_every == 0:
            _turn(state)

    def _start(self, state: dict[str, Any], matrix: Tensor, is_matrix: bool) -> None:
        state["step"] = 0
        state["first"] = torch.zeros_like(matrix)
        state["second"] = torch.zeros_like(matrix)
        batch, rows, columns = matrix.shape
        for side, size in (("left", rows), ("right", columns)):
            if is_matrix and 1 < size <= self.max_size:
                state[side] = matrix.new_zeros(batch, size, size)

    def _accumulate(self, state: dict[str, Any], matrix: Tensor, weight: float) -> None:
        if "left" in state:
            state["left"].baddbmm_(matrix, matrix.mT, beta=1 - weight, alpha=weight)
        if "right" in state:
            state["right"].baddbmm_(matrix.mT, matrix, beta=1 - weight, alpha=weight)


def _matrices(tensor: Tensor) -> Tensor:
    """The last two axes as a batch of matrices; a vector is one row."""
    rows = tensor.shape[-2] if tensor.ndim > 1 else 1
    return tensor.reshape(-1, rows, tensor.shape[-1] if tensor.ndim else 1)


def _stacks(parameters: Iterable[Tensor]) -> Iterable[list[Tensor]]:
    """Parameters whose matrices make one batch."""
    found: dict[object, list[Tensor]] = {}
    for parameter in parameters:
        kind = _matrices(parameter).shape[1:], parameter.ndim > 1, parameter.dtype, parameter.device
        found.setdefault(kind, []).append(parameter)
    return found.values()


def _rotate(state: dict[str, Any], matrix: Tensor) -> Tensor:
    """Into the eigenbasis."""
    if "left" in state:
        matrix = torch.bmm(state["left_basis"].mT, matrix)
    return torch.bmm(matrix, state["right_basis"]) if "right" in state else matrix


def _rotate_back(state: dict[str, Any], matrix: Tensor) -> Tensor:
    """Out of the eigenbasis."""
    if "left" in state:
        matrix = torch.bmm(state["left_basis"], matrix)
    return torch.bmm(matrix, state["right_basis"].mT) if "right" in state else matrix


def _turn(state: dict[str, Any]) -> None:
    """One step of orthogonal iteration towards the eigenvectors, largest first; the moments turn along."""
    first = _rotate_back(state, state["first"])
    for side, axis in (("left", 1), ("right", 2)):
        if side not in state:
            continue
        basis = state[f"{side}_basis"]
        image = torch.bmm(state[side], basis)
        order = (basis * image).sum(1).argsort(dim=1, descending=True)
        index = order.unsqueeze(2 if axis == 1 else 1).expand_as(state["second"])
        state["second"] = torch.gather(state["second"], axis, index)
        state[f"{side}_basis"] = torch.linalg.qr(torch.gather(image, 2, order.unsqueeze(1).expand_as(image)))[0]
    state["first"] = _rotate(state, first)
