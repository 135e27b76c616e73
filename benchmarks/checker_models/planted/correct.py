"""Correct models and calculators, in all the ways that make a check of symmetry difficult."""

from collections.abc import Callable
from typing import Any

import torch
from ase.calculators.lj import LennardJones
from torch import Tensor, nn

from checker_models.planted.architectures import ARCHITECTURES, Filters, Tensors
from checker_models.planted.calculators import CALCULATORS, compound
from checker_models.planted.networks import (
    Autocast,
    Axes,
    Charged,
    Edges,
    Farthest,
    Features,
    HardCutoff,
    Moves,
    Nearest,
    Periodic,
    Spectral,
    WithForces,
)
from checker_models.twins.molecules import molecule_inputs
from checker_models.twins.twins import seeded
from equishare import check, groups
from equishare import nn as equi

ENERGY = check.molecule(("species", "positions"), "energy")


def inputs(seed: int, offset: float = 0.0) -> tuple[Tensor, Tensor]:
    """Nine atoms."""
    z, pos, _ = molecule_inputs(seed)
    return z, pos + offset


def checked(model: Any, given: Any, claim: check.Symmetry, seed: int, **options: Any) -> Any:
    """Check a model."""
    return check.equivariance(model, given, claim, seed=seed, **options)


def _architecture(name: str, **options: Any) -> Callable[[int], Any]:
    return lambda seed: checked(seeded(ARCHITECTURES[name], seed), inputs(seed), ENERGY, seed, **options)


def _periodic(seed: int) -> Any:
    z, pos = inputs(seed)
    cell = 5.0 * torch.eye(3) + 0.5 * torch.randn(3, 3, generator=torch.Generator().manual_seed(seed))
    return checked(Periodic(), (z, pos, cell), check.molecule(("species", "positions", "cell"), "energy"), seed)


def _fractional(seed: int) -> Any:
    """Fractional coordinates, which no rotation changes, beside lattice vectors, which turn."""

    def energy(z: Tensor, frac_coords: Tensor, lattice: Tensor) -> Tensor:
        return Periodic()(z, frac_coords @ lattice, lattice)

    z, pos = inputs(seed)
    cell = 5.0 * torch.eye(3) + 0.5 * torch.randn(3, 3, generator=torch.Generator().manual_seed(seed))
    return checked(energy, (z, pos @ torch.linalg.inv(cell), cell), check.molecule(outputs="energy"), seed)


def _columns(seed: int) -> Any:
    """Points in columns, [batch, 3, points], and arrows of them likewise."""
    model = seeded(Filters, seed)

    def arrows(points: Tensor) -> Tensor:
        species = torch.ones(points.shape[-1], dtype=torch.long)
        found = [model.features(model.embed(species), p.mT)[1].mean(1).mT for p in points]
        return torch.stack(found)

    return checked(arrows, 2 * _random(2, 3, 10, seed=seed), check.point_cloud(), seed)


def _graph(seed: int) -> Any:
    """Messages along edges, for nodes without positions."""

    class Messages(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(5, 8), nn.Linear(8, 3)

        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
            for layer in (self.first, self.second):
                h = layer(x)
                x = torch.tanh(h.index_add(0, edge_index[0], h[edge_index[1]]))
            return x

    near = torch.rand(12, 12, generator=torch.Generator().manual_seed(seed)) < 0.4
    given = _random(12, 5, seed=seed), torch.nonzero(near).T.contiguous()
    return checked(seeded(Messages, seed), given, check.graph(), seed)


def _attention_weights(seed: int) -> Any:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.layer(x, x, x)

    return checked(seeded(Attention, seed), _random(2, 7, 8, seed=seed), check.set_(axis=1), seed)


def _wall(seed: int) -> Any:
    """Lennard-Jones with atoms in contact: forces of 1e5 eV/Å, and no noise."""
    steep = LennardJones(sigma=2.3, epsilon=0.1, rc=5.0, ro=4.0, smooth=True)
    return check.calculator(steep, compound(seed), scan=False, dynamics=False, seed=seed)


def _random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _set(seed: int) -> Any:
    def make() -> nn.Module:
        return nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)

    return checked(seeded(make, seed), _random(2, 10, 8, seed=seed), check.set_(axis=1), seed)


def _shifts(seed: int) -> Any:
    def make() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular"),
            nn.GELU(),
            nn.Conv2d(4, 2, 3, padding=1, padding_mode="circular"),
        )

    return checked(seeded(make, seed), _random(1, 1, 12, 12, seed=seed), check.image("C1", translations=True), seed)


def _spectral(seed: int) -> Any:
    return checked(seeded(Spectral, seed), _random(2, 1, 12, 12, seed=seed), check.image("C1", translations=True), seed)


def _turns(seed: int) -> Any:
    G = groups.cyclic(4)

    def make() -> nn.Module:
        return nn.Sequential(
            equi.GroupConv2d(G, 1, 2, 3, lifting=True),
            nn.ReLU(),
            equi.GroupConv2d(G, 2, 2, 3),
            equi.GroupPool(2 * G.regular()),
        )

    return checked(seeded(make, seed), _random(1, 1, 9, 9, seed=seed), check.image("C4"), seed)


def _batch(seed: int) -> Any:
    z, pos = inputs(seed)
    model = seeded(Filters, seed)

    def batched(feats: Tensor, coors: Tensor) -> tuple[Tensor, Tensor]:
        """[1, atoms, ...], as many packages have it."""
        h, v = model.features(feats[0], coors[0])
        return h[None], coors + 0.1 * v.mean(1)[None]

    moved = check.Cartesian(1, along="atoms", axis=1, moves=True)
    claim = check.molecule(None, (check.Cartesian(along="atoms", axis=1), moved))
    return checked(batched, (_random(1, len(z), 8, seed=seed), pos[None]), claim, seed)


def _on(
    make: Callable[[], nn.Module] | type[nn.Module], claim: check.Symmetry = ENERGY, offset: float = 0.0, **options: Any
) -> Callable[[int], Any]:
    return lambda seed: checked(seeded(make, seed), inputs(seed, offset), claim, seed, **options)


def _calculator(name: str, scan: bool) -> Callable[[int], Any]:
    make, structure = CALCULATORS[name]
    return lambda seed: check.calculator(make(seed), structure(seed), scan=scan, dynamics=False, seed=seed)


def _far(seed: int) -> Any:
    make, structure = CALCULATORS["gates, float32"]
    atoms = structure(seed)
    atoms.positions += 100.0
    return check.calculator(make(seed), atoms, scan=False, dynamics=False, seed=seed)


FORCES = check.molecule(("species", "positions"), {"energy": "energy", "forces": "forces"})
CHARGES = check.molecule(("species", "positions"), {"energy": "energy", "charges": "atoms", "dipole": "dipole"})

CORRECT: dict[str, Callable[[int], Any]] = {
    **{f"{name}, float32": _architecture(name) for name in ARCHITECTURES},
    **{f"{name}, float64": _architecture(name, dtype=torch.float64) for name in ARCHITECTURES},
    "bfloat16 autocast": _on(lambda: Autocast(Filters())),
    "hard cutoff": _on(HardCutoff),
    "three nearest neighbours": _on(Nearest),
    "farthest points": _on(Farthest),
    "principal axes": _on(Axes),
    "100 Å from the origin": _on(Filters, offset=100.0),
    "100 Å from the origin, float64": _on(Tensors, offset=100.0, dtype=torch.float64),
    "periodic": _periodic,
    "charged": _on(lambda: Charged(Filters()), CHARGES),
    "forces by autograd": _on(lambda: WithForces(Filters()), FORCES),
    "points out": _on(Moves, check.molecule(("species", "positions"), "positions")),
    "irreps out": _on(Features, check.molecule(("species", "positions"), "atoms: 8x0e+8x1o")),
    "roots and arc cosines": _on(Edges, gradients=False),
    "roots and arc cosines, float64": _on(Edges, gradients=False, dtype=torch.float64),
    "a batch of one": _batch,
    "fractional coordinates": _fractional,
    "points in columns": _columns,
    "a graph without positions": _graph,
    "transformer on a set": _set,
    "attention with its weights": _attention_weights,
    "circular convolution": _shifts,
    "Fourier layer": _spectral,
    "C4 convolution": _turns,
    **{f"calculator: {name}": _calculator(name, False) for name in CALCULATORS},
    "calculator: filters, float64, with paths": _calculator("filters, float64", True),
    "calculator: gates, float32, with paths": _calculator("gates, float32", True),
    "calculator: atoms in contact": _wall,
    "calculator: 100 Å from the origin, float32": _far,
}
