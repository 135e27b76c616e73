"""e3nn, imported so that every version from 0.4.4 on loads.

e3nn 0.4.4 reads its Wigner constants with ``torch.load``, whose safe default refuses the ``slice`` objects in them
unless they are allowed while it is imported.
"""

import torch

with torch.serialization.safe_globals([slice]):
    from e3nn import o3

__all__ = ["o3"]
