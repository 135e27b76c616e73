"""The precision is probed, and the noise is rounding's."""

import numpy as np
import pytest
import torch
from ase import units
from ase.build import molecule
from ase.calculators.calculator import Calculator, all_changes
from faulty_calculators import Pairs, crystal, ethanol

from equishare.check import calculator
from equishare.check.calculators.evaluator import Evaluator
from equishare.check.calculators.noise import measure_noise


class Coulomb(Calculator):
    """Screened charges and large constants, computed in one precision, converted to eV in another."""

    implemented_properties = ("energy", "forces")

    def __init__(self, dtype, convert, constants=1.0):
        super().__init__()
        self.dtype, self.convert, self.constants = dtype, convert, constants

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        r = torch.tensor(atoms.positions / units.Bohr, dtype=self.dtype, requires_grad=True)
        z = torch.tensor(atoms.numbers, dtype=self.dtype)
        i, j = torch.triu_indices(len(z), len(z), 1)
        d = (r[i] - r[j]).norm(dim=1)
        energy = (z[i] * z[j] / d * torch.exp(-d)).sum() - self.constants * (0.5 * z**2.4).sum()
        forces = -torch.autograd.grad(energy, r)[0]
        self.results = {
            "energy": float(energy.detach().to(self.convert) * units.Hartree),
            "forces": (forces.to(self.convert) * (units.Hartree / units.Bohr)).numpy(),
        }


def stacked():
    atoms = molecule("CH3CH2OH") + molecule("C6H6")
    atoms.positions[9:] += [0, 0, 4]
    atoms.rattle(0.05, seed=0)
    return atoms


SINGLE, DOUBLE = torch.float32, torch.float64


@pytest.mark.parametrize("constants", [0.0, 1.0, 10.0])
@pytest.mark.parametrize(("dtype", "convert"), [(SINGLE, DOUBLE), (SINGLE, SINGLE), (DOUBLE, DOUBLE)])
@pytest.mark.parametrize("seed", range(2))
def test_units_converted_in_another_precision_raise_no_alarm(dtype, convert, constants, seed):
    report = calculator(Coulomb(dtype, convert, constants), stacked(), scan=False, dynamics=False, seed=seed)
    assert report.passed, report
    assert report.precision == str(dtype).removeprefix("torch.")


def test_double_precision_added_to_single_does_not_hide_it():
    class Mixed(Coulomb):
        """A float32 network and a dispersion in float64."""

        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            small = 1e-3 * Pairs().pair_terms(atoms)["energy"], 1e-3 * Pairs().pair_terms(atoms)["forces"]
            self.results = {"energy": self.results["energy"] + small[0], "forces": self.results["forces"] + small[1]}

    report = calculator(Mixed(SINGLE, DOUBLE), stacked(), scan=False, dynamics=False)
    assert report.passed, report


def test_noise_is_no_curvature():
    noise = measure_noise(Evaluator(Pairs(), ethanol()), 0)
    assert noise.precision == "float64"
    assert noise.energy < 1e-9
    assert noise.forces < 1e-9


def test_a_mistake_above_single_precision_is_still_found():
    class Slipped(Coulomb):
        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            self.results["forces"] = self.results["forces"] + np.array([2e-3, 0.0, 0.0])

    report = calculator(Slipped(SINGLE, DOUBLE), stacked(), scan=False, dynamics=False)
    assert {t.name for t in report.failures} >= {"rotation", "reflection"}


@pytest.mark.parametrize("offset", [0.0, 200.0])
def test_far_from_the_origin(offset):
    for atoms in (stacked(), crystal()):
        atoms.positions += offset
        made = Pairs() if atoms.pbc.any() else Coulomb(SINGLE, DOUBLE)
        assert calculator(made, atoms, scan=False, dynamics=False).passed


class Contact(Calculator):
    """A steep wall, as where atoms touch: its fourth differences are large without any rounding."""

    implemented_properties = ("energy", "forces")

    def __init__(self, field=0.0):
        super().__init__()
        self.field = field

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        d = atoms.positions[:, None] - atoms.positions[None]
        r2 = np.square(d).sum(-1) + 1e9 * np.eye(len(atoms))
        wall = (1.9**2 / r2) ** 6
        push = self.field * np.array([0.0, 0.0, 1.0])
        self.results = {
            "energy": 0.5 * wall.sum() + float((np.sin(atoms.positions) @ push).sum()),
            "forces": (12 * wall / r2)[..., None].__mul__(d).sum(1) - np.cos(atoms.positions) * push,
        }


def test_a_steep_wall_is_no_noise():
    assert calculator(Contact(), ethanol(), scan=False, dynamics=False).passed
    report = calculator(Contact(field=1e-3), ethanol(), scan=False, dynamics=False)
    assert {"rotation", "translation"} <= {t.name for t in report.failures}
