"""Weighted means by softmax, fast, and differentiable as often as one likes."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from equishare.ops.backend import transformed


def attention(
    query: Float[Tensor, "sets heads n d"],
    key: Float[Tensor, "sets heads m d"],
    value: Float[Tensor, "sets heads m d"],
    allowed: Bool[Tensor, "sets 1 1 m"] | None,
) -> Float[Tensor, "sets heads n d"]:
    r"""Weighted means :math:`\mathrm{softmax}(q k^T / \sqrt d)\, v` over the allowed keys.

    Torch's fused kernels run forward and backward. They know no second derivative and no forward mode: where these are asked
    for, the formula itself runs, with n m numbers in memory.

    >>> q, k = torch.randn(1, 1, 2, 4), torch.randn(1, 1, 3, 4)
    >>> torch.allclose(attention(q, k, k, None), formula(q, k, k, None), atol=1e-6)
    True
    """
    if torch.compiler.is_compiling():
        return scaled_dot_product_attention(query, key, value, allowed)
    if transformed():
        return formula(query, key, value, allowed)
    if torch.is_grad_enabled() and (query.requires_grad or key.requires_grad or value.requires_grad):
        return _Attention.apply(query, key, value, allowed)
    return scaled_dot_product_attention(query, key, value, allowed)


def formula(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None) -> Tensor:
    """The same in plain operations."""
    logits = query @ key.mT / math.sqrt(query.shape[-1])
    if allowed is not None:
        logits = logits.masked_fill(~allowed, -torch.inf)
    return logits.softmax(-1) @ value


class _Attention(torch.autograd.Function):
    """The fused kernel, whose backward pass is the kernel's own until somebody differentiates it."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None) -> Tensor:
        ctx.save_for_backward(query, key, value, allowed)
        q, k, v = (t.detach().requires_grad_() for t in (query, key, value))
        with torch.enable_grad():
            ctx.own, ctx.fused = (q, k, v), scaled_dot_product_attention(q, k, v, allowed)
        return ctx.fused.detach()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if not torch.is_grad_enabled():
            return *torch.autograd.grad(ctx.fused, ctx.own, gradient, retain_graph=True), None
        query, key, value, allowed = ctx.saved_tensors
        # views, so that no path leads from one of them to another
        q, k, v = (t.view_as(t) if t.requires_grad else t.detach().requires_grad_() for t in (query, key, value))
        return *torch.autograd.grad(formula(q, k, v, allowed), (q, k, v), gradient, create_graph=True), None
