"""Complex matrices as real ones."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def as_real(matrix: Tensor) -> Float[Tensor, "n n"]:
    """A matrix in double precision; a complex one as the real one [[Re, -Im], [Im, Re]] of twice the size.

    >>> as_real(torch.tensor([[1j]])).tolist()
    [[0.0, -1.0], [1.0, 0.0]]
    """
    matrix = torch.as_tensor(matrix).detach().cpu()
    if not matrix.is_complex():
        return matrix.double()
    real, imaginary = matrix.real.double(), matrix.imag.double()
    return torch.cat([torch.cat([real, -imaginary], 1), torch.cat([imaginary, real], 1)])
