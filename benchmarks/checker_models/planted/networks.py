"""Correct networks that do what makes a check of symmetry difficult."""
# ruff: noqa: D101, D102

import torch
from torch import Tensor, nn

from checker_models.planted.architectures import Architecture, Filters, Points, Tensors, pairs


class Wrapped(nn.Module):
    """A model in another one's clothes."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model


class Autocast(Wrapped):
    def forward(self, z: Tensor, pos: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return self.model(z, pos)


class WithForces(Wrapped):
    def forward(self, z: Tensor, pos: Tensor) -> dict[str, Tensor]:
        with torch.enable_grad():
            pos = pos if pos.requires_grad else pos.detach().requires_grad_(True)
            energy = self.model(z, pos)
            forces = -torch.autograd.grad(energy, pos, create_graph=True)[0]
        return {"energy": energy, "forces": forces}


class Charged(Wrapped):
    """Charges that add up to a total, and their screened repulsion."""

    def forward(self, z: Tensor, pos: Tensor) -> dict[str, Tensor]:
        _, d, waves = pairs(pos)
        q = waves.sum((1, 2)) * z / 10
        q = q + (1.0 - q.sum()) / len(q)
        other = 1 - torch.eye(len(pos)).to(pos)
        return {
            "energy": (q[:, None] * q * other * torch.exp(-d) / d).sum(),
            "charges": q,
            "dipole": q @ (pos - pos.mean(0)),
        }


class HardCutoff(Filters):
    """Neighbours within a radius, without an envelope."""

    def features(self, h: Tensor, pos: Tensor) -> tuple[Tensor, Tensor]:
        near = (torch.cdist(pos, pos) < 2.5).to(pos)[..., None]
        rel, _, waves = pairs(pos)
        h = h + (self.filter(waves) * near * h[None]).sum(1)
        return h, ((self.arrows(waves) * near * h[None])[..., None] * rel[:, :, None]).sum(1)


class Nearest(Filters):
    """The three nearest neighbours."""

    def features(self, h: Tensor, pos: Tensor) -> tuple[Tensor, Tensor]:
        rel, _, waves = pairs(pos)
        j = torch.cdist(pos, pos).topk(4, largest=False).indices[:, 1:]
        i = torch.arange(len(pos))[:, None]
        h = h + (self.filter(waves[i, j]) * h[j]).sum(1)
        return h, ((self.arrows(waves[i, j]) * h[j])[..., None] * rel[i, j][:, :, None]).sum(1)


class Farthest(Filters):
    """Features of the points that farthest point sampling picks, from the one farthest from the centre."""

    def features(self, h: Tensor, pos: Tensor) -> tuple[Tensor, Tensor]:
        h, v = super().features(h, pos)
        chosen = [int((pos - pos.mean(0)).norm(dim=1).argmax())]
        for _ in range(3):
            chosen.append(int(torch.cdist(pos, pos[chosen]).amin(1).argmax()))
        return h + h[chosen].mean(0), v


class Axes(Filters):
    """Squares of coordinates along the principal axes."""

    def features(self, h: Tensor, pos: Tensor) -> tuple[Tensor, Tensor]:
        h, v = super().features(h, pos)
        r = pos - pos.mean(0)
        axes = torch.linalg.eigh(r.mT @ r)[1]
        return h + ((r @ axes).square() @ torch.tensor([0.3, 0.2, 0.1]).to(pos))[:, None], v


class Periodic(nn.Module):
    """Images of neighbours in the cells around, with a smooth cutoff; positions need not lie in the cell."""

    def forward(self, z: Tensor, pos: Tensor, cell: Tensor) -> Tensor:
        n = torch.cartesian_prod(*(3 * [torch.arange(-2.0, 3.0)])).to(pos)
        rel = pos[:, None, None] - pos[None, :, None] + (n @ cell)[None, None]
        d = (rel.square().sum(-1) + 1e-6).sqrt()
        weight = (1 - d / 4.0).clamp_min(0) ** 3
        return (z[:, None, None] * z[None, :, None] * weight * torch.cos(d)).sum() / 100


class Moves(Points):
    """Returns points."""

    def forward(self, z: Tensor, pos: Tensor) -> Tensor:
        return pos + 0.1 * self.features(self.embed(z), pos)[1].mean(1)


class Features(Tensors):
    """Returns hidden features."""

    def forward(self, z: Tensor, pos: Tensor) -> Tensor:
        h, v = self.features(self.embed(z), pos)
        return torch.cat([h, v.flatten(1)], -1)


class Edges(Architecture):
    """Angles by arc cosine, lengths by a Gram matrix: functions at their edge."""

    def build(self) -> None:
        self.features_of = nn.Linear(1, 2)

    def forward(self, z: Tensor, pos: Tensor) -> Tensor:
        r = pos - pos.mean(0)
        u = r / r.norm(dim=1, keepdim=True)
        angles = torch.arccos((u @ u.mT).clamp(-1, 1))
        square = r.square().sum(1)
        lengths = (square[:, None] + square - 2 * r @ r.mT).clamp_min(0).sqrt()
        return (angles * torch.exp(-lengths)).sum() + (self.features_of(lengths[..., None])).tanh().sum()


class Spectral(nn.Module):
    """A layer of a Fourier neural operator."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4, dtype=torch.cfloat))

    def forward(self, x: Tensor) -> Tensor:
        f = torch.fft.rfft2(x)
        low = torch.zeros_like(f)
        low[..., :4, :4] = f[..., :4, :4] * self.weight
        return torch.fft.irfft2(low, s=x.shape[-2:]).tanh() + x
