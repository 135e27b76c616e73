"""Blocks of which fixed points are taken."""

import torch
from torch import nn as torch_nn


class Block(torch_nn.Module):
    """tanh(A z + x + b) with |A| = norm: contracts for norm < 1."""

    def __init__(self, size=6, norm=0.8, symmetric=False):
        super().__init__()
        weight = torch.randn(size, size, dtype=torch.float64)
        if symmetric:
            weight = weight + weight.T
        self.weight = torch_nn.Parameter(norm * weight / torch.linalg.matrix_norm(weight, 2))
        self.bias = torch_nn.Parameter(torch.randn(size, dtype=torch.float64))

    def forward(self, z, x):
        return torch.tanh(z @ self.weight.mT + x + self.bias)


class Affine(torch_nn.Module):
    """z A^T + x, whose fixed point is known."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = torch_nn.Parameter(matrix)

    def forward(self, z, x):
        return z @ self.matrix.mT + x
