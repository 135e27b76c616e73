"""Tokens that an embedding knows."""

from __future__ import annotations

import torch
from torch import Tensor

from equishare.nn.layer import LayerError
from equishare.ops.backend import transformed


def check_tokens(tokens: Tensor, count: int) -> None:
    """Compare tokens with their number; numbers are looked at where that waits for no device.

    Raises:
        LayerError: they are no integers, or out of range.
    """
    if tokens.is_floating_point() or tokens.is_complex() or tokens.dtype == torch.bool:
        raise LayerError(f"integer tokens expected, got {tokens.dtype}")
    if torch.compiler.is_compiling() or transformed() or tokens.device.type != "cpu" or not tokens.numel():
        return
    low, high = int(tokens.min()), int(tokens.max())
    if low < 0 or high >= count:
        raise LayerError(f"tokens from 0 to {count - 1} expected, got {low} to {high}")
