"""Mistakes in message passing on molecules: a small equivariant network with one layer that can go wrong."""
# ruff: noqa: D101, D102

import torch
from torch import Tensor, nn

from checker_models.twins.network import FEATURES, Network
from checker_models.twins.twins import Twins
from equishare._e3nn import o3
from equishare.check import molecule

ATOMS, LAYERS = 9, 3


class Suspect(nn.Module):
    """A layer (h, v) -> (h, v) that makes one mistake, or does the same thing right."""

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.broken = broken
        self.size = nn.Parameter(0.5 + torch.rand(FEATURES))

    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError


class Innocent(Suspect):
    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        return h * self.size, v * self.size[:, None]


class BiasOnVectors(Suspect):
    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        return (h, v + 0.01 * self.size[:, None]) if self.broken else (h + 0.01 * self.size, v)


class NormPerComponent(Suspect):
    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        squares = v.square().mean(1, keepdim=True)
        squares = squares if self.broken else squares.mean(-1, keepdim=True)
        return h, v / (squares + 1e-3).sqrt()


class ActivationPerComponent(Suspect):
    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        gate = v if self.broken else (v.square().sum(-1, keepdim=True) + 1e-6).sqrt()
        return h, v * torch.sigmoid(gate)


class MaxOverVectors(Suspect):
    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        pooled = v.amax(0) if self.broken else v.mean(0)
        return h, v + pooled


class SmallSlipInResidual(Suspect):
    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        slip = 1e-4 * v.square() if self.broken else 1e-4 * v
        return h, v + slip


class CrossProductSign(Suspect):
    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        w = v.roll(1, 1)
        x, y, z = v.unbind(-1)
        a, b, c = w.unbind(-1)
        sign = 1 if self.broken else -1
        axial = torch.stack([y * c - z * b, z * a + sign * x * c, x * b - y * a], -1)
        return h + 0.1 * axial.square().sum(-1), v


class ForgottenTranspose(Suspect):
    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        a, b = v[:, 0], v[:, 1]
        e1 = a / (a.norm(dim=-1, keepdim=True) + 1e-3)
        e3 = torch.linalg.cross(e1, b)
        frame = torch.stack([e1, torch.linalg.cross(e3, e1), e3], -2)
        local = v @ frame.mT
        # improper rotations turn e3 the other way: its axis must be used an even number of times
        back = torch.tanh(local.square()) * local @ (frame.mT if self.broken else frame)
        return h, v + back


class TriangleOfMatrix(Suspect):
    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        matrix = v.mT @ v
        i, j = torch.triu_indices(3, 3)
        invariant = matrix[:, i, j].sum(-1) if self.broken else matrix.diagonal(dim1=-2, dim2=-1).sum(-1)
        return h + 0.1 * invariant[:, None] * self.size, v


class Chirality(Suspect):
    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        triple = torch.linalg.det(torch.stack([v[:, 0], v[:, 1], v.mean((0, 1)).expand_as(v[:, 0])], -1))
        triple = triple if self.broken else triple.square()
        return h + triple[:, None], v


class AzimuthFeature(Suspect):
    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        polar = v[:, 0, 2] if self.broken else v[:, 0].norm(dim=-1)
        return h + torch.tanh(polar)[:, None] * self.size, v


class HalfPrecisionInside(Suspect):
    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        return h, (v.half() if self.broken else v).to(v.dtype)


class SinglePrecisionInside(Suspect):
    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        return h, (v.float() if self.broken else v).to(v.dtype)


class LastInOrder(Suspect):
    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        chosen = h[-1] if self.broken else h.mean(0)
        return h + 0.1 * chosen, v


class RareIndexBug(Suspect):
    """An off-by-one that shows when the atom with the largest feature comes first: one ordering in nine."""

    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        first = int(h[:, 0].argmax())
        weight = torch.ones_like(h[:, :1])
        weight[first] = 1.5
        if self.broken and first == 0:
            weight = weight.roll(-1, 0)
        return h * weight, v


class PositionalEncoding(Suspect):
    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        place = torch.arange(len(h), device=h.device) if self.broken else torch.full((len(h),), 2, device=h.device)
        return h + 0.1 * torch.sin(place.to(h))[:, None], v


class RunningSum(Suspect):
    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        total = h.cumsum(0) if self.broken else h.sum(0, keepdim=True)
        return h + 0.1 * total, v


class DropoutLeftOn(Suspect):
    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        return nn.functional.dropout(h, 0.1, training=self.broken), v


class StaleCache(Suspect):
    """Keeps what it saw first."""

    cache: Tensor | None = None

    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        if self.cache is None or not self.broken:
            self.cache = v.detach()
        return h + 0.1 * (v * self.cache.to(v)).sum(-1), v


class DivisionByZero(Suspect):
    """The direction of a vector that vanishes for symmetric neighbourhoods: here always."""

    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        w = v - v
        return h + (w / (w.norm(dim=-1, keepdim=True) + (0.0 if self.broken else 1e-3))).sum(-1), v


class MislabelledIrreps(Suspect):
    """e3nn's linear layer, told that vectors come first when scalars do."""

    def __init__(self, broken: bool) -> None:
        super().__init__(broken)
        order = f"{FEATURES}x1o+{FEATURES}x0e" if broken else f"{FEATURES}x0e+{FEATURES}x1o"
        self.linear = o3.Linear(order, order)

    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        mixed = self.linear(torch.cat([h, v.flatten(1)], -1))
        return mixed[:, :FEATURES], mixed[:, FEATURES:].unflatten(-1, (FEATURES, 3))


def _network(kind: type[Suspect], broken: bool, seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        where = seed % LAYERS
        suspects = [kind(broken) if i == where else Innocent(False) for i in range(LAYERS)]
        return Network(suspects)


def molecule_inputs(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Nine atoms, none closer than 1 Å, and all pairs as edges."""
    generator = torch.Generator().manual_seed(seed)
    positions = torch.zeros(0, 3)
    while len(positions) < ATOMS:
        point = 1.6 * torch.randn(1, 3, generator=generator)
        if len(positions) == 0 or bool((torch.cdist(positions, point) > 1.0).all()):
            positions = torch.cat([positions, point])
    species = torch.randint(1, 9, (ATOMS,), generator=generator)
    return species, positions, torch.nonzero(~torch.eye(ATOMS, dtype=torch.bool)).T.contiguous()


_SUSPECTS = [
    ("a bias on vectors", BiasOnVectors, ""),
    ("normalisation per component", NormPerComponent, ""),
    ("activation per component", ActivationPerComponent, ""),
    ("maximum over vectors", MaxOverVectors, ""),
    ("a slip of 1e-4 in a residual stream", SmallSlipInResidual, ""),
    ("wrong sign in a cross product", CrossProductSign, ""),
    ("a forgotten transposed rotation", ForgottenTranspose, ""),
    ("upper triangle of a matrix as scalars", TriangleOfMatrix, ""),
    ("chirality as a scalar", Chirality, ""),
    ("one component as a feature", AzimuthFeature, ""),
    ("truncation to half precision", HalfPrecisionInside, ""),
    ("the last atom is special", LastInOrder, ""),
    ("an index bug in one ordering of nine", RareIndexBug, ""),
    ("positional encoding of atoms", PositionalEncoding, ""),
    ("a running sum over atoms", RunningSum, ""),
    ("dropout left on", DropoutLeftOn, ""),
    ("a stale cache", StaleCache, ""),
    ("division by zero", DivisionByZero, ""),
    ("irreps in the wrong order", MislabelledIrreps, ".linear"),
]

TWINS = [
    Twins(
        name,
        lambda broken, seed, kind=kind: _network(kind, broken, seed),
        molecule_inputs,
        molecule(outputs="energy"),
        lambda seed, inside=inside: f"layers.{seed % LAYERS}.suspect{inside}",
        {},
    )
    for name, kind, inside in _SUSPECTS
] + [
    Twins(
        "float32 inside a float64 model",
        lambda broken, seed: _network(SinglePrecisionInside, broken, seed),
        molecule_inputs,
        molecule(outputs="energy"),
        lambda seed: f"layers.{seed % LAYERS}.suspect",
        {"dtype": torch.float64},
        verdict="undecided",
    )
]
