"""A small equivariant network, and the same with one mistake: a bias on its vectors.

    equishare check examples/broken_model.py:Correct --as molecule
    equishare check examples/broken_model.py:Broken --as molecule

The network knows nothing of equishare. Scalars and vectors of each atom are updated by messages, as in PaiNN (Schütt et al. 2021).
"""

import torch
from torch import nn


class Message(nn.Module):
    """Scalars [atoms, channels] and vectors [atoms, 3, channels] from neighbours."""

    def __init__(self, channels: int, bias: bool):
        super().__init__()
        self.weights = nn.Sequential(nn.Linear(channels + 1, 32), nn.SiLU(), nn.Linear(32, 3 * channels))
        self.mix = nn.Linear(channels, channels, bias=bias)  # a bias is one fixed vector: it does not turn
        if bias:
            nn.init.normal_(self.mix.bias, std=0.05)

    def forward(self, scalars, vectors, edge_index, direction, length):
        """Updated scalars and vectors."""
        sender, receiver = edge_index
        weights = self.weights(torch.cat([scalars[sender], length], dim=1)) * torch.exp(-length)
        a, b, c = weights.unsqueeze(1).chunk(3, dim=2)
        moved = b * direction.unsqueeze(2) + c * vectors[sender]
        vectors = self.mix(vectors.index_add(0, receiver, moved))
        return scalars.index_add(0, receiver, a.squeeze(1)), vectors


class Correct(nn.Module):
    """Energy of a molecule from atomic numbers, positions in Å and neighbours."""

    bias = False

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(100, 16)
        self.messages = nn.ModuleList([Message(16, bias=False), Message(16, bias=self.bias), Message(16, bias=False)])
        self.readout = nn.Sequential(nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, 1))

    def forward(self, z, pos, edge_index):
        """Energy [1]."""
        edge = pos[edge_index[0]] - pos[edge_index[1]]
        length = edge.norm(dim=1, keepdim=True)
        scalars = self.embedding(z)
        vectors = scalars.new_zeros(len(z), 3, 16)
        for message in self.messages:
            scalars, vectors = message(scalars, vectors, edge_index, edge / length, length)
        return self.readout(torch.cat([scalars, vectors.square().sum(1)], dim=1)).sum(0)


class Broken(Correct):
    """The same, with a bias on the vectors of the second message."""

    bias = True
