"""Four correct calculators on structures of their own, and a shell that plants a mistake into any of them."""
# ruff: noqa: D102

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.calculators.morse import MorsePotential
from ase.neighborlist import neighbor_list
from torch import nn

from checker_models.planted.architectures import Filters, Gates
from checker_models.twins.twins import seeded

PROPERTIES = ("energy", "forces", "stress")


class Network(Calculator):
    """A small network as a calculator."""

    implemented_properties = ("energy", "forces")

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.model, self.dtype = model.to(dtype), dtype

    def calculate(self, atoms: Atoms, properties: Any = (), system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        pos = torch.tensor(atoms.positions, dtype=self.dtype, requires_grad=True)
        energy = self.model(torch.tensor(atoms.numbers), pos)
        forces = -torch.autograd.grad(energy, pos)[0]
        self.results = {"energy": float(energy), "forces": forces.double().numpy()}


def crystal(seed: int) -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.08, seed=seed)
    return atoms


def compound(seed: int) -> Atoms:
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.05, seed=seed)
    return atoms


Base = tuple[Callable[[int], Calculator], Callable[[int], Atoms]]

CALCULATORS: dict[str, Base] = {
    "Lennard-Jones": (lambda seed: LennardJones(sigma=2.3, epsilon=0.1, rc=5.0, ro=4.0, smooth=True), crystal),
    "Morse": (lambda seed: MorsePotential(epsilon=0.3, r0=2.55, rho0=4.0, rcut1=4.5, rcut2=5.0), crystal),
    "EMT": (lambda seed: EMT(), compound),
    "filters, float64": (lambda seed: Network(seeded(Filters, seed), torch.float64), compound),
    "gates, float32": (lambda seed: Network(seeded(Gates, seed), torch.float32), compound),
}


class Faulty(Calculator):
    """A correct calculator whose results are changed."""

    implemented_properties = PROPERTIES

    def __init__(self, base: Calculator, mistake: str) -> None:
        super().__init__()
        self.base, self.mistake = base, mistake
        self.generator = np.random.default_rng(0)
        self.last, self.kept, self.slip = 0.0, {}, 0.0
        self.thread = threading.get_ident()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "slip": 1e-3 * (self.mistake == "parameter lost in pickling")}

    def calculate(self, atoms: Atoms, properties: Any = (), system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        seen = atoms.copy()
        if self.mistake == "positions rounded to 1e-3":
            seen.positions = seen.positions.round(3)
        results = self._of_base(seen)
        if self.mistake == "new cells go unseen":
            # the last structure's results, if the positions are the same
            results = self.kept.get(atoms.positions.tobytes(), results)
            self.kept = {atoms.positions.tobytes(): results}
        key = (len(atoms), self.mistake == "stale results by size")
        if key[1]:
            results = self.kept.setdefault(key, results)
        self.results = MISTAKES[self.mistake](self, atoms, {k: np.copy(v) for k, v in results.items()})
        self.results["energy"] = float(self.results["energy"]) + self.slip

    def _of_base(self, atoms: Atoms) -> dict[str, Any]:
        atoms.calc = self.base
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        if atoms.cell.rank == 3 and "stress" in self.base.implemented_properties:
            results["stress"] = atoms.get_stress()
        return results


Results = dict[str, Any]
Mistake = Callable[[Faulty, Atoms, Results], Results]


def _field(self: Faulty, atoms: Atoms, r: Results) -> Results:
    z = atoms.positions[:, 2] - atoms.positions[:, 2].mean()
    r["energy"] = r["energy"] + 0.01 * np.sin(z).sum()
    r["forces"][:, 2] -= 0.01 * (np.cos(z) - np.cos(z).mean())
    return r


def _origin(self: Faulty, atoms: Atoms, r: Results) -> Results:
    return r | {
        "energy": r["energy"] + 1e-3 * np.square(atoms.positions).sum(),
        "forces": r["forces"] - 2e-3 * atoms.positions,
    }


def _first(self: Faulty, atoms: Atoms, r: Results) -> Results:
    r["forces"][0] *= 1.01
    return r


def _order(self: Faulty, atoms: Atoms, r: Results) -> Results:
    return r | {"energy": r["energy"] + 1e-3 * np.dot(np.arange(len(atoms)), np.square(r["forces"]).sum(1))}


def _curl(self: Faulty, atoms: Atoms, r: Results) -> Results:
    return r | {"forces": r["forces"] + 0.2 * np.cross(r["forces"], atoms.positions - atoms.positions.mean(0))}


def _step(self: Faulty, atoms: Atoms, r: Results, size: float = 1e-3) -> Results:
    cut = 2.6 if atoms.pbc.any() else 2.2
    return r | {"energy": r["energy"] + size * len(neighbor_list("d", atoms, cut)) / 2}


def _kink(self: Faulty, atoms: Atoms, r: Results) -> Results:
    """The energy rises linearly inside a distance, with the force that belongs to it."""
    cut = 2.6 if atoms.pbc.any() else 2.2
    i, d, D = neighbor_list("idD", atoms, cut)
    np.add.at(r["forces"], i, -0.02 * D / d[:, None])
    return r | {"energy": r["energy"] + 0.02 * (cut - d).sum() / 2}


def _memory(self: Faulty, atoms: Atoms, r: Results) -> Results:
    before, self.last = self.last, float(r["energy"])
    return r | {"energy": r["energy"] + 1e-3 * before}


def _hashed(self: Faulty, atoms: Atoms, r: Results) -> Results:
    seed = abs(hash(atoms.positions.tobytes())) % 2**32
    return r | {"energy": r["energy"] + 0.02 * np.random.default_rng(seed).standard_normal()}


def _random(what: str, size: float) -> Mistake:
    def change(self: Faulty, atoms: Atoms, r: Results) -> Results:
        return r | {what: r[what] + size * self.generator.standard_normal(np.shape(r[what]))}

    return change


def _scaled(what: str, factor: float) -> Mistake:
    return lambda self, atoms, r: r | ({what: factor * r[what]} if what in r else {})


def _added(what: str, number: float) -> Mistake:
    return lambda self, atoms, r: r | ({what: r[what] + number} if what in r else {})


def _shear(self: Faulty, atoms: Atoms, r: Results) -> Results:
    r["stress"][3:] *= 2
    return r


def _unwrapped(self: Faulty, atoms: Atoms, r: Results) -> Results:
    d = np.linalg.norm(atoms.positions[:, None] - atoms.positions[None], axis=-1)
    return r | {"energy": r["energy"] + 1e-3 * np.exp(-d).sum()}


def _chiral(self: Faulty, atoms: Atoms, r: Results) -> Results:
    x = atoms.positions - atoms.positions.mean(0)
    n = np.linalg.norm(x, axis=1)[:, None]
    triple = np.linalg.det([(x * n).sum(0), (x * n**2).sum(0), (x * np.exp(-n)).sum(0)])
    return r | {"energy": r["energy"] + 1e-3 * triple}


def _elsewhere(self: Faulty, atoms: Atoms, r: Results) -> Results:
    return r | {"energy": r["energy"] + 1e-3 * (threading.get_ident() != self.thread)}


def _same(self: Faulty, atoms: Atoms, r: Results) -> Results:
    return r


MISTAKES: dict[str, Mistake] = {
    "a field along z": _field,
    "a spring to the origin": _origin,
    "the first atom's force is 1 % too large": _first,
    "energy by the order of atoms": _order,
    "a constant energy": _added("energy", 0.5),
    "mean instead of sum": lambda self, atoms, r: r | {k: r[k] / len(atoms) for k in ("energy", "forces")},
    "forces 1 % too large": _scaled("forces", 1.01),
    "forces in other units": _scaled("forces", 1.8897),
    "forces with a curl": _curl,
    "a force on all atoms": _added("forces", 2e-3),
    "NaN": lambda self, atoms, r: r | {"forces": np.where(np.arange(len(atoms))[:, None] == 0, np.nan, r["forces"])},
    "a step of the energy of 1 meV": _step,
    "a kink": _kink,
    "a step of the energy of 0.02 meV": lambda self, atoms, r: _step(self, atoms, r, 2e-5),
    "random energy, 1 meV": _random("energy", 1e-3),
    "random forces, 1 meV/Å": _random("forces", 1e-3),
    "memory of the last energy": _memory,
    "stale results by size": _same,
    "noise by a hash of the positions": _hashed,
    "positions rounded to 1e-3": _same,
    "parameter lost in pickling": _same,
    "another thread, another energy": _elsewhere,
    "stress of the other sign": _scaled("stress", -1.0),
    "shear twice": _shear,
    "a pressure added": _added("stress", 1e-3),
    "no minimum image": _unwrapped,
    "chirality": _chiral,
    "new cells go unseen": _same,
}

CRYSTALS_ONLY = {
    "new cells go unseen",
    "stress of the other sign",
    "shear twice",
    "a pressure added",
    "no minimum image",
}
MOLECULES_ONLY = {"chirality", "a spring to the origin"}
SCANNED = {"a kink", "a step of the energy of 1 meV", "a step of the energy of 0.02 meV"}
"""Found along paths alone; of the others the laws before are enough."""
