"""e3nn's `o3`, from 0.4.4 on: that version unpickles a slice while it is imported, which torch 2.6+ refuses unless told."""

import torch

with torch.serialization.safe_globals([slice]):
    from e3nn import o3

__all__ = ["o3"]
