"""A Triton kernel of the channel-wise product, closed under any number of derivatives.

The product joins four things along the entries of a coupling: output, left factor, right factor, path weights. Each of its
derivatives joins the same four and writes another one of them. One kernel does all: a program writes one component (or path) of one atom.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from equishare.ops.channel_product.coupling import Coupling

OUT, LEFT, RIGHT, WEIGHT = range(4)


@triton.jit
def _join(
    a, b, c, slots_a, slots_b, slots_c, stride_a, stride_b, stride_c, row_a, row_b, row_c, rows_a, rows_b, rows_c,
    coefficient, start, out, n_atoms, n_channels, C: tl.constexpr,
):  # fmt: skip
    """out[o, n] = sum over the entries p of o of coefficient a[slot_a] b[slot_b] c[slot_c], each at atom n or at its kind."""
    n, o = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    channel = tl.arange(0, C)
    inside = channel < n_channels
    at_a = a + tl.load(rows_a + n) * row_a + channel
    at_b = b + tl.load(rows_b + n) * row_b + channel
    at_c = c + tl.load(rows_c + n) * row_c + channel
    total = tl.zeros((C,), out.dtype.element_ty)
    first, last = tl.load(start + o), tl.load(start + o + 1)
    for p in range(first, last):
        x = tl.load(at_a + tl.load(slots_a + p) * stride_a, mask=inside, other=0)
        y = tl.load(at_b + tl.load(slots_b + p) * stride_b, mask=inside, other=0)
        z = tl.load(at_c + tl.load(slots_c + p) * stride_c, mask=inside, other=0)
        total += tl.load(coefficient + p) * x * y * z
    tl.store(out + (o * n_atoms + n) * n_channels + channel, total, mask=inside)


def join(left: Tensor, right: Tensor, weight: Tensor, kind: Tensor, coupling: Coupling) -> Tensor:
    """The channel-wise product; all features component-major."""
    return _Join.apply(OUT, len(weight), left, right, weight, kind, coupling)


class _Join(torch.autograd.Function):
    """One of the four from the other three, given in their order."""

    @staticmethod
    def forward(
        ctx: Any, role: int, kinds: int, a: Tensor, b: Tensor, c: Tensor, kind: Tensor, coupling: Coupling
    ) -> Tensor:
        given = a.contiguous(), b.contiguous(), c.contiguous()
        ctx.save_for_backward(*given, kind)
        ctx.role, ctx.kinds, ctx.coupling = role, kinds, coupling
        start, slots, coefficient = _entries(coupling, role, a)
        n_atoms, channels = len(kind), a.shape[2]
        itself = torch.arange(n_atoms, device=kind.device)
        of_weight = [other == WEIGHT for other in _others(role)]
        # features are [slot, atom, channel], weights [kind, slot, channel]
        steps = [t.stride(1 if at else 0) for t, at in zip(given, of_weight, strict=True)]
        row_steps = [t.stride(0 if at else 1) for t, at in zip(given, of_weight, strict=True)]
        rows = [kind if at else itself for at in of_weight]
        out = a.new_empty(len(start) - 1, n_atoms, channels)
        if n_atoms:
            _join[(n_atoms, len(out))](
                *(*given, *slots, *steps, *row_steps, *rows, coefficient, start, out, n_atoms, channels),
                C=triton.next_power_of_2(channels),
            )
        if role != WEIGHT:
            return out
        return out.new_zeros(kinds, len(out), channels).index_add(0, kind, out.transpose(0, 1))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        *given, kind = ctx.saved_tensors
        known = dict(zip(_others(ctx.role), given, strict=True)) | {ctx.role: grad}
        grads = [
            _Join.apply(role, ctx.kinds, *(known[other] for other in _others(role)), kind, ctx.coupling)
            if needed
            else None
            for role, needed in zip(_others(ctx.role), ctx.needs_input_grad[2:5], strict=True)
        ]
        return None, None, *grads, None, None


def _others(role: int) -> list[int]:
    return [other for other in (OUT, LEFT, RIGHT, WEIGHT) if other != role]


def _entries(coupling: Coupling, role: int, example: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
    """(where each slot of a role starts, slots of the others, coefficients) of the entries, sorted by that role's slots."""
    path, component, left, right, coefficient = coupling.tensors(example.dtype, example.device)
    slots = component, left, right, path
    counts = coupling.out.dim, coupling.left.dim, coupling.right.dim, len(coupling.paths)
    order = torch.argsort(slots[role], stable=True)
    start = torch.searchsorted(slots[role][order], torch.arange(counts[role] + 1, device=example.device))
    return start, [slots[other][order] for other in _others(role)], coefficient[order]
