"""Dipoles in Debye or turned round, charges that do not sum up, energies that do not belong."""

from dataclasses import replace

import numpy as np
import pytest
from ase.units import Bohr, Debye

from equishare.atoms import Frame, inspect, read_frames


@pytest.fixture(scope="module")
def ethanol():
    return read_frames("ethanol@3::8")


def found(frames, **options):
    return {f.code: f for f in inspect(frames, **options).findings}


def scaled(frames, factor):
    return [replace(f, dipole=factor * f.label("dipole")) for f in frames]


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (1 / Debye, "looks like Debye"),
        (-1.0, "points the other way"),
        (-1 / Debye, "points the other way and looks like Debye"),
    ],
)
def test_a_dipole_in_debye_or_turned_round(ethanol, factor, words):
    finding = found(scaled(ethanol, factor))["units-dipole"]
    assert f"the dipole {words}: the charges" in finding.message
    assert f"multiply it by {1 / factor:.6g} " in finding.advice


@pytest.mark.parametrize("factor", [1.0, 1 / Bohr, 0.8])
def test_no_alarm_without_reason(ethanol, factor):
    assert "units-dipole" not in found(scaled(ethanol, factor))


def test_charges_sum_to_the_total_charge(ethanol):
    charges = np.linspace(-0.4, 0.4, 9)
    neutral = [replace(f, charges=charges) for f in ethanol]
    assert "sum-charges" not in found(neutral)
    cations = [replace(f, charges=charges + 1 / 9, charge=1) for f in ethanol]
    assert "sum-charges" not in found(cations, used=("charge",))
    finding = found([*neutral[1:], replace(cations[0], charge=None)])["sum-charges"]
    assert finding.frames == (cations[0].name,)
    assert "do not sum to the total charge in 1 frame (up to 1 e)" in finding.message


@pytest.mark.parametrize(
    "spoil", [lambda e: e / 27.2114, lambda e: 0.0, lambda e: e + 20.0], ids=["Hartree", "zero", "shifted"]
)
def test_energies_that_do_not_belong(ethanol, spoil):
    frames = [replace(f, energy=spoil(f.energy)) if n in (7, 40) else f for n, f in enumerate(ethanol)]
    finding = found(frames)["outlier-energy"]
    assert set(finding.frames) == {frames[7].name, frames[40].name}
    assert finding.level == "warning"


def test_strained_crystals_have_no_outlying_energy():
    from ase.build import bulk
    from ase.calculators.emt import EMT

    frames = []
    for n, a in enumerate(np.linspace(3.2, 4.4, 40)):
        atoms = bulk("Cu", a=a)
        atoms.calc = EMT()
        frames.append(Frame(atoms, energy=atoms.get_potential_energy(), index=n))
        atoms.calc = None
    assert "outlier-energy" not in found(frames)
