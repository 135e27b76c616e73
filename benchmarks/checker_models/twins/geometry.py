"""Mistakes outside the residual block: how positions enter, how edges are read, what comes out."""
# ruff: noqa: D102

import torch
from torch import Tensor, nn

from checker_models.twins.molecules import molecule_inputs
from checker_models.twins.twins import Twins, seeded
from equishare.check import molecule, point_cloud

FEATURES = 16


class Embed(nn.Module):
    """Features of atoms from distances; broken, the absolute position leaks in."""

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.broken = broken
        self.species = nn.Embedding(10, FEATURES)
        self.place = nn.Linear(1, FEATURES)

    def forward(self, z: Tensor, pos: Tensor) -> Tensor:
        centred = pos if self.broken else pos - pos.mean(0)
        return self.species(z) + self.place(centred.norm(dim=-1, keepdim=True))


class Gather(nn.Module):
    """Sum over neighbours; broken, the last edge of each atom wins."""

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.broken = broken

    def forward(self, messages: Tensor, edges: Tensor, atoms: int) -> Tensor:
        out = messages.new_zeros(atoms, messages.shape[-1])
        if self.broken:
            out[edges[0]] = messages
            return out
        return out.index_add(0, edges[0], messages)


class Read(nn.Module):
    """Sum over atoms; broken, atom 0 is the reference."""

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.broken = broken
        self.linear = nn.Linear(FEATURES, 1)

    def forward(self, h: Tensor) -> Tensor:
        return self.linear(torch.tanh(h - h[0]) if self.broken else torch.tanh(h - h.mean(0))).sum()


class Pipeline(nn.Module):
    """embed, gather, read: each of them right or wrong."""

    def __init__(self, embed: bool = False, gather: bool = False, read: bool = False) -> None:
        super().__init__()
        self.embed, self.gather, self.read = Embed(embed), Gather(gather), Read(read)
        self.filter = nn.Sequential(nn.Linear(1, FEATURES), nn.Tanh())

    def forward(self, z: Tensor, pos: Tensor, edge_index: Tensor) -> Tensor:
        h = self.embed(z, pos)
        d = (pos[edge_index[0]] - pos[edge_index[1]]).norm(dim=-1, keepdim=True)
        h = h + self.gather(self.filter(d) * h[edge_index[1]], edge_index, len(z))
        return self.read(h)


class Update(nn.Module):
    """Move points along differences; broken, along positions themselves (an EGNN gone wrong)."""

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.broken = broken
        self.weight = nn.Sequential(nn.Linear(1, 8), nn.SiLU(), nn.Linear(8, 1))

    def forward(self, pos: Tensor) -> Tensor:
        difference = pos[:, None] - pos[None]
        weight = self.weight(difference.square().sum(-1, keepdim=True))
        return pos + 0.1 * (weight * (pos[None] if self.broken else difference)).sum(1)


class Steps(nn.Module):
    """Two updates of points; the second may be wrong."""

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.first, self.second, self.third = Update(False), Update(broken), Update(False)

    def forward(self, pos: Tensor) -> Tensor:
        return self.third(self.second(self.first(pos)))


class Torque(nn.Module):
    """A vector from positions and forces that claims to be polar; broken, it is axial."""

    irreps_out = "1x1o"

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.broken = broken

    def forward(self, r: Tensor, f: Tensor) -> Tensor:
        axial = torch.linalg.cross(r, f)
        return axial if self.broken else torch.linalg.cross(axial, r)


class Vectors(nn.Module):
    """Per-atom vectors from pair forces."""

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.torque = Torque(broken)

    def forward(self, pos: Tensor) -> Tensor:
        r = pos - pos.mean(0)
        f = (torch.exp(-torch.cdist(r, r))[..., None] * (r[:, None] - r[None])).sum(1)
        return self.torque(r, f)


def _points(seed: int) -> tuple[Tensor]:
    return (molecule_inputs(seed)[1],)


_ENERGY = molecule(outputs="energy")

TWINS = [
    Twins(
        f"{name}",
        lambda broken, seed, part=part: seeded(lambda: Pipeline(**{part: broken}), seed),
        molecule_inputs,
        _ENERGY,
        lambda seed, culprit=culprit: culprit,
        {},
    )
    for name, part, culprit in (
        ("an absolute coordinate leaks in", "embed", "embed"),
        ("dependence on the order of edges", "gather", "gather"),
        ("the first atom as reference", "read", "read"),
    )
] + [
    Twins(
        "points moved along absolute positions",
        lambda broken, seed: seeded(lambda: Steps(broken), seed),
        _points,
        point_cloud(outputs="positions"),
        lambda seed: "second",
        {},
    ),
    Twins(
        "wrong parity",
        lambda broken, seed: seeded(lambda: Vectors(broken), seed),
        _points,
        point_cloud(outputs="forces"),
        lambda seed: "torque",
        {},
    ),
]
