"""What a user may have checked at the prompt: `test_prompt.py` names it."""
# ruff: noqa: RUF059, T201

import torch
from torch import nn


class Good(nn.Module):
    def forward(self, z, pos):
        return (torch.cdist(pos, pos) * z * z[:, None]).sum()


class Needy(nn.Module):
    def __init__(self, size):
        super().__init__()


def bad():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))


def pair():
    return nn.Linear(3, 3, bias=False), torch.randn(4, 3)


def strange(widget):
    return widget


def widgets():
    return (torch.ones(4, 3).cumsum(0),)


def emt():
    from ase.calculators.emt import EMT

    return EMT()


class Chatty(nn.Module):
    def forward(self, z, pos):
        print("hello")
        return torch.cdist(pos, pos).sum()


class Slow(nn.Module):
    def forward(self, z, pos):
        import time

        time.sleep(0.2)
        return torch.cdist(pos, pos).sum()


class Refusing(nn.Module):
    def forward(self, z, pos):
        if pos[0, 0] < -2.0:
            raise IndexError("index 7 is out of bounds")
        return torch.cdist(pos, pos).sum()


class Broken(nn.Module):
    def forward(self, z, pos):
        raise RuntimeError("shapes cannot be multiplied")


class Wordy(nn.Module):
    def forward(self, z, pos):
        return "energy"


class Labels(nn.Module):
    def forward(self, z, pos):
        return torch.cdist(pos, pos).argmin(0)


class Masked(nn.Module):
    def forward(self, x, mask):
        return (x * mask).sum()


class KeywordOnly(nn.Module):
    def forward(self, *, z, pos):
        return torch.cdist(pos, pos).sum()


class Starred(nn.Module):
    def forward(self, *args):
        z, pos = args
        return torch.cdist(pos, pos).sum()


class Insists(nn.Module):
    def forward(self, z, pos):
        assert pos.shape[0] == 7
        return pos.sum()


def crooked(feats, coors):
    return feats + coors[..., :1] ** 3


def crooked_inputs():
    return torch.randn(1, 9, 16), torch.randn(1, 9, 3)


def moves(z, pos):
    return pos * 2 - pos.mean(0)


def gram(a, b):
    return a @ b.T


def two_clouds():
    return torch.randn(5, 3), torch.randn(6, 3)


class Rows(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.position = nn.Parameter(torch.randn(12, 8))
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)

    def forward(self, x):
        return self.layer(x + self.position)


class SoundRows(Rows):
    def forward(self, x):
        return self.layer(x)


def claim():
    from equishare.check import Cartesian, geometric

    return geometric({"a": Cartesian(1), "b": Cartesian(1)}, "invariant")


value = 3
