"""Mistakes in a model's scalars [atoms, features] or vectors [atoms, features, 3]; each breaks one thing, by a little."""
# ruff: noqa: D102

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Change = Callable[[Tensor, Tensor, Tensor], Tensor]


class Bug(nn.Module):
    """A change of features that should not be."""

    def __init__(self, change: Change) -> None:
        super().__init__()
        self.change = change

    def forward(self, x: Tensor, z: Tensor, pos: Tensor) -> Tensor:
        return self.change(x, z, pos)


class Weights(nn.Module):
    """One number for each place in the list of atoms, learnt."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.bias, self.place = bias, nn.Parameter(0.3 * torch.randn(9, 1))

    def forward(self, x: Tensor, z: Tensor, pos: Tensor) -> Tensor:
        place = F.pad(self.place, (0, 0, 0, max(0, len(x) - 9)))[: len(x)]
        return x + place if self.bias else x * (1 + place)


class Keeps(nn.Module):
    """Mixes in what it saw before: the last features, the first ones of this shape, the number of calls."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what, self.kept, self.calls = what, {}, 0

    def forward(self, x: Tensor, z: Tensor, pos: Tensor) -> Tensor:
        self.calls += 1
        if self.what == "counts":
            return x * (1 + 1e-4 * self.calls)
        key = x.shape if self.what == "shape" else 0
        before = self.kept.get(key)
        if self.what == "last" or before is None:
            self.kept[key] = x.detach().mean(0)
        return x if before is None else x + 0.01 * before.to(x)


def centred(pos: Tensor) -> Tensor:
    return pos - pos.mean(0)


def column(x: Tensor, values: Tensor) -> Tensor:
    """Add a number an atom, and its wave, to all features."""
    return x + 0.05 * values[:, None] * torch.linspace(0.5, 1.5, x.shape[1]).to(x)


def frame_of(a: Tensor, b: Tensor) -> Tensor:
    e1 = a / a.norm()
    e3 = torch.linalg.cross(e1, b)
    e3 = e3 / e3.norm()
    return torch.stack([e1, torch.linalg.cross(e3, e1), e3])


def nearest_by_index(pos: Tensor) -> Tensor:
    """Count of near atoms among the first two found in the list."""
    near = (torch.cdist(pos, pos) < 3.0).cumsum(1)
    return ((near <= 2) & (torch.cdist(pos, pos) < 3.0)).to(pos) @ torch.cdist(pos, pos[:1])[:, 0]


def chirality(pos: Tensor) -> Tensor:
    r = centred(pos)
    n = r.norm(dim=1, keepdim=True)
    return torch.linalg.det(torch.stack([(r * n).sum(0), (r * n**2).sum(0), (r * torch.exp(-n)).sum(0)]))


ATOMS: dict[str, Callable[[], nn.Module]] = {
    "x coordinate leaks": lambda: Bug(lambda h, z, r: column(h, centred(r)[:, 0])),
    "|z| coordinate leaks": lambda: Bug(lambda h, z, r: column(h, centred(r)[:, 2].abs())),
    "distance from the origin leaks": lambda: Bug(lambda h, z, r: column(h, r.norm(dim=1))),
    "origin at the first atom": lambda: Bug(lambda h, z, r: column(h, (r - r[0]).norm(dim=1))),
    "index leaks": lambda: Bug(lambda h, z, r: column(h, torch.arange(len(h)).to(h) / 9)),
    "positional encoding": lambda: Bug(lambda h, z, r: column(h, torch.sin(torch.arange(len(h)).to(h)))),
    "learnt bias for each place": lambda: Weights(True),
    "learnt scale for each place": lambda: Weights(False),
    "first atom special": lambda: Bug(lambda h, z, r: torch.cat([1.1 * h[:1], h[1:]])),
    "last atom left out": lambda: Bug(lambda h, z, r: torch.cat([h[:-1], 0 * h[-1:]])),
    "running sum": lambda: Bug(lambda h, z, r: h + 0.1 * h.cumsum(0)),
    "neighbour in the list": lambda: Bug(lambda h, z, r: h + 0.1 * h.roll(1, 0)),
    "sorted along x": lambda: Bug(lambda h, z, r: h + 0.1 * h[r[:, 0].argsort()].cumsum(0)),
    "pairs i < j only": lambda: Bug(lambda h, z, r: column(h, torch.exp(-torch.cdist(r, r)).triu(1).sum(1))),
    "first two neighbours found": lambda: Bug(lambda h, z, r: column(h, nearest_by_index(r))),
    "box instead of ball": lambda: Bug(
        lambda h, z, r: column(h, torch.exp(-(r[:, None] - r[None]).abs().amax(-1)).sum(1))
    ),
    "Manhattan distances": lambda: Bug(
        lambda h, z, r: column(h, torch.exp(-(r[:, None] - r[None]).abs().sum(-1)).sum(1))
    ),
    "voxels": lambda: Bug(lambda h, z, r: column(h, torch.floor(centred(r) / 0.7).sum(1))),
    "spherical angles": lambda: Bug(lambda h, z, r: column(h, torch.atan2(centred(r)[:, 1], centred(r)[:, 0]))),
    "average over six directions": lambda: Bug(lambda h, z, r: column(h, centred(r).relu().square().sum(1) ** 0.5)),
    "principal axes without signs": lambda: Bug(
        lambda h, z, r: column(h, (centred(r) @ torch.linalg.eigh(centred(r).mT @ centred(r))[1]).sum(1))
    ),
    "frame of the first three atoms": lambda: Bug(
        lambda h, z, r: column(h, ((r - r[0]) @ frame_of(r[1] - r[0], r[2] - r[0]).mT).sum(1))
    ),
    "chirality as a scalar": lambda: Bug(lambda h, z, r: column(h, torch.tanh(chirality(r)).expand(len(r)))),
    "dropout left on": lambda: Bug(lambda h, z, r: F.dropout(h, 0.1)),
    "noise of 1e-4": lambda: Bug(lambda h, z, r: h + 1e-4 * torch.randn_like(h)),
    "mixes in the last call": lambda: Keeps("last"),
    "mixes in the first call of this size": lambda: Keeps("shape"),
    "counts its calls": lambda: Keeps("counts"),
    "mean position": lambda: Bug(lambda h, z, r: h + 0.01 * r.mean()),
    "species times index": lambda: Bug(lambda h, z, r: column(h, (z * torch.arange(len(z))).to(h) / 50)),
    "ties by index": lambda: Bug(
        lambda h, z, r: column(h, F.one_hot((z % 2 == z.max() % 2).to(h).argmax(), len(z)).to(h))
    ),
    "NaN where the first atom is far out": lambda: Bug(
        lambda h, z, r: h + 0 * (centred(r).norm(dim=1).max() - 1.001 * centred(r)[0].norm()).sqrt()
    ),
}

VECTORS: dict[str, Callable[[], nn.Module]] = {
    "bias on vectors": lambda: Bug(lambda v, z, r: v + 0.05),
    "activation per component": lambda: Bug(lambda v, z, r: v + 0.1 * torch.tanh(v)),
    "normalised per component": lambda: Bug(lambda v, z, r: v / (v.square().mean((0, 1), keepdim=True) + 0.1).sqrt()),
    "one component scaled": lambda: Bug(lambda v, z, r: v * torch.tensor([1.0, 1.0, 1.02]).to(v)),
    "one component twice": lambda: Bug(lambda v, z, r: torch.cat([v[:, :1, [0, 0, 2]], v[:, 1:]], 1)),
    "axial added to polar": lambda: Bug(
        lambda v, z, r: v + 0.3 * torch.linalg.cross(v.roll(1, 1), centred(r)[:, None].expand_as(v))
    ),
    "components clamped": lambda: Bug(lambda v, z, r: v.clamp(-v.square().mean().sqrt(), v.square().mean().sqrt())),
    "components dropped": lambda: Bug(lambda v, z, r: F.dropout(v, 0.2)),
    "projected on an axis": lambda: Bug(lambda v, z, r: v + 0.2 * v[..., 2:] * torch.tensor([0.0, 0.0, 1.0]).to(v)),
    "maximum over atoms": lambda: Bug(lambda v, z, r: v + 0.2 * v.amax(0)),
    "half precision": lambda: Bug(lambda v, z, r: v.half().to(v)),
    "softmax of components": lambda: Bug(lambda v, z, r: v * torch.softmax(v, -1)),
    "vector of the first atom": lambda: Bug(lambda v, z, r: v + 0.2 * v[0]),
}
