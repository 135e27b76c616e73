"""The equivariant network of molecules, whose mutants are to be caught."""
# ruff: noqa: D102

import math

import torch
from torch import Tensor, nn

FEATURES = 8


class Message(nn.Module):
    """Scalars and vectors gather from neighbours, weighted by a smooth function of distance."""

    def __init__(self) -> None:
        super().__init__()
        self.radial = nn.Sequential(nn.Linear(4, 16), nn.SiLU(), nn.Linear(16, 3 * FEATURES))

    def forward(self, h: Tensor, v: Tensor, rel: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        d = rel.norm(dim=-1, keepdim=True)
        waves = torch.sin(d * torch.arange(1, 5, device=d.device).to(d) * (math.pi / 6)) / d
        a, b, c = self.radial(waves).chunk(3, -1)
        i, j = edges
        scalars = torch.zeros_like(h).index_add(0, i, a * h[j])
        arrows = (b * h[j])[..., None] * (rel / d)[:, None] + c[..., None] * v[j]
        return scalars, torch.zeros_like(v).index_add(0, i, arrows)


class Layer(nn.Module):
    """A residual block: message, the layer under suspicion, a gate."""

    def __init__(self, suspect: nn.Module) -> None:
        super().__init__()
        self.message = Message()
        self.suspect = suspect
        self.mix = nn.Linear(2 * FEATURES, 2 * FEATURES)
        self.turn = nn.Linear(FEATURES, FEATURES, bias=False)

    def forward(self, h: Tensor, v: Tensor, rel: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        dh, dv = self.message(h, v, rel, edges)
        h += dh  # in place, as residual streams often are
        v = v + dv
        h, v = self.suspect(h, v)
        norms = (v.square().sum(-1) + 1e-6).sqrt()
        gate, more = self.mix(torch.cat([h, norms], -1)).chunk(2, -1)
        turned = self.turn(v.mT).mT
        return h + torch.nn.functional.silu(more), v + torch.sigmoid(gate)[..., None] * turned


class Network(nn.Module):
    """Species and positions to an energy."""

    def __init__(self, suspects: list[nn.Module]) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, FEATURES)
        self.layers = nn.ModuleList(Layer(s) for s in suspects)
        self.readout = nn.Sequential(nn.Linear(FEATURES, 16), nn.SiLU(), nn.Linear(16, 1))

    def forward(self, z: Tensor, pos: Tensor, edge_index: Tensor) -> Tensor:
        h = self.embed(z).clone()
        v = pos.new_zeros(len(pos), FEATURES, 3)
        rel = pos[edge_index[1]] - pos[edge_index[0]]
        for layer in self.layers:
            h, v = layer(h, v, rel, edge_index)
        return self.readout(h).sum()
