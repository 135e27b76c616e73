"""By how much a planted mistake breaks a model, measured without the checker: brute force in float64."""

import copy

import torch
from torch import Tensor, nn

DRAWN = 100


@torch.no_grad()
def broken_by(model: nn.Module, z: Tensor, pos: Tensor, seed: int) -> float:
    """Largest relative change of an energy over turned, mirrored, moved and reordered copies, and over repetitions.

    Infinity where one of them is not a number.
    """
    wide = copy.deepcopy(model).double()
    generator = torch.Generator().manual_seed(1000 + seed)
    pos = pos.double()
    first, worst = float(wide(z, pos)), 0.0
    for _ in range(DRAWN):
        q, r = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
        order = torch.randperm(len(z), generator=generator)
        shift = 3 * torch.randn(3, generator=generator, dtype=torch.float64)
        moved = float(wide(z[order], (pos @ (q * torch.sign(torch.diagonal(r))).mT + shift)[order]))
        again = float(wide(z, pos))
        worst = max(worst, abs(moved - first), abs(again - first)) if moved == moved else float("inf")
        if worst == float("inf"):
            break
    # an answer that depends on what came before: a model that starts here, against one that has seen other things
    new = copy.deepcopy(model).double()
    close = pos + 0.01 * torch.randn(pos.shape, generator=generator, dtype=torch.float64)
    return max(worst, abs(float(new(z, close)) - float(wide(z, close)))) / max(abs(first), 1e-300)
