"""e3nn's `o3` from 0.4.4 on, which unpickles a slice while it is imported; torch 2.6+ must be told."""

import torch

with torch.serialization.safe_globals([slice]):
    from e3nn import o3

__all__ = ["o3"]
