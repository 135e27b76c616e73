"""Five small architectures for molecules, each with a place for a mistake in its scalars and one in its vectors."""
# ruff: noqa: D102

import torch
from torch import Tensor, nn

from equishare._e3nn import o3

FEATURES = 8


class Sound(nn.Module):
    """What stands in the place of a mistake: nothing."""

    def forward(self, x: Tensor, z: Tensor, pos: Tensor) -> Tensor:
        return x


def pairs(pos: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Differences, distances, and waves in the distance that vanish far away; an atom is no neighbour of its own."""
    rel = pos[:, None] - pos[None]
    other = 1 - torch.eye(len(pos), dtype=pos.dtype, device=pos.device)
    d = (rel.square().sum(-1) + (1 - other)).sqrt()
    k = torch.arange(1, 5, device=pos.device).to(pos)
    waves = torch.sin(d[..., None] * k) * (torch.exp(-d) * other)[..., None]
    return rel, d, waves


def mlp(inside: int, out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inside, 16), nn.SiLU(), nn.Linear(16, out))


class Architecture(nn.Module):
    """Species and positions to an energy; `atoms` and `vectors` are where a mistake may stand."""

    def __init__(self, atoms: nn.Module | None = None, vectors: nn.Module | None = None) -> None:
        super().__init__()
        self.atoms, self.vectors = atoms or Sound(), vectors or Sound()
        self.embed = nn.Embedding(20, FEATURES)
        self.read = mlp(2 * FEATURES, 1)
        self.build()

    def build(self) -> None:
        raise NotImplementedError

    def features(self, h: Tensor, pos: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def update(self, h: Tensor, v: Tensor, pos: Tensor) -> tuple[Tensor, Tensor]:
        return h, v

    def forward(self, z: Tensor, pos: Tensor) -> Tensor:
        h, v = self.features(self.embed(z), pos)
        h, v = self.atoms(h, z, pos), self.vectors(v, z, pos)
        h, v = self.update(h, v, pos)
        return self.read(torch.cat([h, (v.square().sum(-1) + 1e-6).sqrt()], -1)).sum()


class Filters(Architecture):
    """Continuous filters over distances (Schuett et al. 2017)."""

    def build(self) -> None:
        self.filter, self.arrows = mlp(4, FEATURES), mlp(4, FEATURES)
        self.second = mlp(4, FEATURES)

    def features(self, h: Tensor, pos: Tensor) -> tuple[Tensor, Tensor]:
        rel, _, waves = pairs(pos)
        h = h + (self.filter(waves) * waves[..., :1] * h[None]).sum(1)
        return h, ((self.arrows(waves) * waves[..., :1] * h[None])[..., None] * rel[:, :, None]).sum(1)

    def update(self, h: Tensor, v: Tensor, pos: Tensor) -> tuple[Tensor, Tensor]:
        _, _, waves = pairs(pos)
        return h + (self.second(waves) * waves[..., :1] * h[None]).sum(1), v


class Gates(Filters):
    """Scalars gate vectors, vectors' products feed scalars (Schuett et al. 2021)."""

    def build(self) -> None:
        super().build()
        self.mix, self.turn = mlp(2 * FEATURES, 2 * FEATURES), nn.Linear(FEATURES, FEATURES, bias=False)

    def update(self, h: Tensor, v: Tensor, pos: Tensor) -> tuple[Tensor, Tensor]:
        w = self.turn(v.mT).mT
        a, b = self.mix(torch.cat([h, (v * w).sum(-1)], -1)).chunk(2, -1)
        return h + a, v + torch.sigmoid(b)[..., None] * w


class Tensors(Architecture):
    """Tensor products of e3nn."""

    def build(self) -> None:
        irreps = f"{FEATURES}x0e+{FEATURES}x1o"
        self.product = o3.FullyConnectedTensorProduct(f"{FEATURES}x0e", "1x0e+1x1o+1x2e", irreps)
        self.second = o3.FullyConnectedTensorProduct(irreps, irreps, irreps)
        self.radial = mlp(4, FEATURES)

    def features(self, h: Tensor, pos: Tensor) -> tuple[Tensor, Tensor]:
        rel, _, waves = pairs(pos)
        harmonics = o3.spherical_harmonics([0, 1, 2], rel + torch.eye(len(pos))[..., None].to(rel) * 0, True)
        messages = self.radial(waves) * waves[..., :1] * h[None]
        out = self.product(messages, harmonics).sum(1)
        return h + out[:, :FEATURES], out[:, FEATURES:].unflatten(-1, (FEATURES, 3))

    def update(self, h: Tensor, v: Tensor, pos: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([h, v.flatten(1)], -1)
        out = self.second(x, x)
        return h + 0.1 * out[:, :FEATURES], v + 0.1 * out[:, FEATURES:].unflatten(-1, (FEATURES, 3))


class Points(Architecture):
    """Points that move along differences (Satorras et al. 2021)."""

    def build(self) -> None:
        self.message, self.move = mlp(1, FEATURES), mlp(FEATURES, FEATURES)
        self.again = mlp(1, FEATURES)

    def features(self, h: Tensor, pos: Tensor) -> tuple[Tensor, Tensor]:
        rel, d, waves = pairs(pos)
        m = self.message(d[..., None]) * waves[..., :1] * h[None]
        return h + m.sum(1), (self.move(m)[..., None] * waves[..., :1, None] * rel[:, :, None]).sum(1)

    def update(self, h: Tensor, v: Tensor, pos: Tensor) -> tuple[Tensor, Tensor]:
        _, d, waves = pairs(pos + 0.1 * v.mean(1))
        return h + (self.again(d[..., None]) * waves[..., :1] * h[None]).sum(1), v


class Attention(Architecture):
    """Attention among atoms, biased by distances."""

    def build(self) -> None:
        self.qkv, self.bias = nn.Linear(FEATURES, 3 * FEATURES), nn.Linear(4, 1)
        self.norm = nn.LayerNorm(FEATURES)

    def features(self, h: Tensor, pos: Tensor) -> tuple[Tensor, Tensor]:
        rel, _, waves = pairs(pos)
        q, k, x = self.qkv(h).chunk(3, -1)
        weight = torch.softmax(q @ k.mT / FEATURES**0.5 + self.bias(waves)[..., 0], -1)
        return self.norm(h + weight @ x), (
            weight[..., None, None] * waves[..., :1, None] * rel[:, :, None] * x[None, :, :, None]
        ).sum(1)

    def update(self, h: Tensor, v: Tensor, pos: Tensor) -> tuple[Tensor, Tensor]:
        return h + self.norm(h), v


ARCHITECTURES = {"filters": Filters, "gates": Gates, "tensors": Tensors, "points": Points, "attention": Attention}
