"""Wrong units are named, whichever label they are in, and right ones never."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.units import Bohr, Hartree, kcal, kJ, mol

from equishare.atoms import Frame, read_frames, split_isolated
from equishare.atoms.checks.measures import all_electron_energy, energy_over_work, stiffness_over_badger
from equishare.atoms.checks.units import unit_findings
from equishare.atoms.inspection import inspect
from equishare.datasets import path

SETS = ("ethanol", "dry_ice")


def convert(frames, energy=1.0, forces=1.0, length=1.0):
    """The frames with their numbers in other units: of so many eV, eV/Å and Å."""
    converted = []
    for frame in frames:
        atoms = frame.atoms.copy()
        atoms.set_cell(atoms.cell / length, scale_atoms=False)
        atoms.positions /= length
        converted.append(
            replace(
                frame,
                atoms=atoms,
                energy=None if frame.energy is None else frame.energy / energy,
                forces=None if frame.forces is None else frame.forces / forces,
            )
        )
    return converted


def unit_codes(frames):
    codes = {"units-energy", "units-forces", "units-positions", "forces-sign", "binding-energy", "overlap"}
    return {f.code: f for f in inspect(frames).findings if f.code in codes}


@pytest.fixture(scope="module", params=SETS)
def frames(request):
    isolated, rest = split_isolated(read_frames(path(request.param)))
    return isolated + rest[:: max(1, len(rest) // 250)]


# energy, forces, length -> code: (level, name of the unit)
WRONG = {
    "energies in kcal/mol": ((kcal / mol, 1, 1), {"units-energy": ("error", "kcal/mol")}),
    "energies in kJ/mol": ((kJ / mol, 1, 1), {"units-energy": ("error", "kJ/mol")}),
    "energies in Hartree": ((Hartree, 1, 1), {"units-energy": ("error", "Hartree")}),
    "energies in meV": ((1e-3, 1, 1), {"units-energy": ("error", "meV")}),
    "forces in kcal/mol/Å": ((1, kcal / mol, 1), {"units-forces": ("error", "kcal/mol/Å")}),
    "forces in Hartree/Bohr": ((1, Hartree / Bohr, 1), {"units-forces": ("error", "Hartree/Bohr")}),
    "all in kcal/mol": (
        (kcal / mol, kcal / mol, 1),
        {"units-forces": ("warning", "kcal/mol/Å"), "units-energy": ("warning", "kcal/mol")},
    ),
    "Hartree and Hartree/Bohr": (
        (Hartree, Hartree / Bohr, 1),
        {"units-forces": ("warning", "Hartree/Bohr"), "units-energy": ("warning", "Hartree")},
    ),
    "Bohr": ((1, 1, Bohr), {"units-positions": ("warning", "Bohr")}),
    "atomic units": (
        (Hartree, Hartree / Bohr, Bohr),
        {
            "units-positions": ("warning", "Bohr"),
            "units-forces": ("warning", "Hartree/Bohr"),
            "units-energy": ("warning", "Hartree"),
        },
    ),
    "gradients": ((1, -1, 1), {"forces-sign": ("error", "uphill")}),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_units_are_named(frames, name):
    factors, expected = WRONG[name]
    wrong = convert(frames, *factors)
    for chosen in (wrong, split_isolated(wrong)[1]):  # with and without isolated atoms
        found = unit_codes(chosen)
        assert {code: found[code].level for code in found} == {code: level for code, (level, _) in expected.items()}
        for code, (_, unit) in expected.items():
            assert unit in found[code].message


def test_nanometres():
    molecules = unit_codes(convert(read_frames(f"{path('ethanol_test')}@:50"), length=10.0))
    assert {code: f.level for code, f in molecules.items()} == {
        "units-positions": "warning",
        "overlap": "error",
    }
    assert "look like nm" in molecules["units-positions"].message
    (finding,) = inspect(convert(read_frames(path("dry_ice_test")), length=10.0)).errors
    assert finding.code == "zero-volume"


def test_right_units_raise_no_alarm(frames):
    assert unit_codes(frames) == {}
    assert unit_codes(frames[:30]) == {}


@pytest.mark.parametrize("count", [12, 20])
def test_few_frames_far_apart_raise_no_alarm(count):
    """The frames that learning keeps to judge by in its first rounds."""
    frames = split_isolated(read_frames(path("ethanol")))[1]
    rng = np.random.default_rng(0)
    for _ in range(150):
        chosen = [frames[k] for k in rng.choice(len(frames), count, replace=False)]
        assert list(unit_findings(chosen, np.ones(count))) == []


def test_isolated_atoms_in_other_units(frames):
    isolated, rest = split_isolated(frames)
    for unit in (Hartree, kcal / mol, kJ / mol):
        assert not isolated or set(unit_codes([*convert(isolated, unit), *rest])) == {"binding-energy"}


def labelled(atoms, calculator):
    atoms.calc = calculator
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    atoms.calc = None
    return Frame(atoms, energy=energy, forces=forces)


def rattled(atoms, calculator, amplitude, n=40):
    frames = []
    for seed in range(n):
        copy = atoms.copy()
        copy.rattle(amplitude, seed=seed)
        frames.append(labelled(copy, calculator))
    return frames


@pytest.mark.parametrize(
    "made",
    [
        lambda: rattled(bulk("Cu", cubic=True).repeat(2), EMT(), 0.05),
        lambda: rattled(bulk("Al", cubic=True).repeat(2), EMT(), 0.2),
        lambda: rattled(bulk("Ar", cubic=True, a=5.3).repeat(2), LennardJones(sigma=3.4, epsilon=0.0104, rc=8.0), 0.1),
        lambda: [labelled(molecule(m), EMT()) for m in ("H2O", "CH4", "NH3", "C2H6", "CO2", "CH3OH")],
    ],
    ids=["Cu", "Al", "Ar", "molecules"],
)
def test_other_sound_data_raise_no_alarm(made):
    assert unit_codes(made()) == {}


def test_a_metal_in_wrong_units():
    frames = rattled(bulk("Cu", cubic=True).repeat(2), EMT(), 0.05)
    (finding,) = unit_codes(convert(frames, energy=kcal / mol)).values()
    assert "energies look like kcal/mol" in finding.message
    (finding,) = unit_codes(convert(frames, forces=Hartree / Bohr)).values()
    assert "or the forces like Hartree/Bohr" in finding.message
    assert set(unit_codes(convert(frames, length=Bohr))) == {"units-positions"}


def test_the_measures_do_not_see_units_that_agree():
    frames = split_isolated(read_frames(path("ethanol")))[1]
    slope, correlation = energy_over_work(frames)
    assert slope == pytest.approx(1.0, abs=0.1)
    assert correlation > 0.9
    again = energy_over_work(convert(frames, kcal / mol, kcal / mol))
    assert again == pytest.approx((slope, correlation))
    assert stiffness_over_badger(frames) == pytest.approx(1.0, abs=0.3)
    assert stiffness_over_badger(convert(frames, forces=kcal / mol)) == pytest.approx(
        stiffness_over_badger(frames) * mol / kcal
    )


@pytest.mark.parametrize(("z", "hartree"), [(6, -37.69), (8, -74.81), (17, -459.5), (26, -1262.4), (35, -2572.4)])
def test_all_electron_energies(z, hartree):
    # Hartree-Fock limit: Bunge, Barrientos & Bunge, At. Data Nucl. Data Tables 53, 113 (1993)
    assert all_electron_energy(z) / Hartree == pytest.approx(hartree, rel=0.012)


@pytest.fixture(scope="module")
def shared():
    folder = os.environ.get("EQUISHARE_SHARED_DATA")
    if not folder:
        pytest.skip("set EQUISHARE_SHARED_DATA to the folder of acac/ and mlearn_li/")
    return Path(folder)


@pytest.mark.slow
def test_published_data_raise_no_alarm(shared):
    acac = read_frames([shared / "acac/isolated_atoms.xyz", shared / "acac/train_300K.xyz"])
    assert inspect(acac, test=read_frames(shared / "acac/test_MD_300K.xyz")).findings == ()
    lithium = read_frames(shared / "mlearn_li/train.xyz")
    found = inspect(lithium, test=read_frames(shared / "mlearn_li/test.xyz"))
    assert found.ok
    # the elastic series does hold cells that are the same up to a rotation, with the same energies
    assert {f.code for f in found.findings} == {"leakage", "duplicates", "e0-least-squares"}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_wrong_units_of_published_data_are_named(shared, name):
    factors, expected = WRONG[name]
    acac = convert(read_frames([shared / "acac/isolated_atoms.xyz", shared / "acac/train_300K.xyz"]), *factors)
    for chosen in (acac, split_isolated(acac)[1]):
        found = unit_codes(chosen)
        assert {code: found[code].level for code in found} == {code: level for code, (level, _) in expected.items()}
    # a metal has no such bonds: lengths are known, and energies against forces beyond a factor of 2.5
    lithium = unit_codes(convert(read_frames(shared / "mlearn_li/train.xyz"), *factors))
    energy, forces, length = factors
    assert bool(lithium) == (not 0.4 < forces / energy < 2.5 or length != 1), lithium


@pytest.mark.slow
def test_energies_alone_are_known_by_the_electrons(shared):
    acac = [replace(f, forces=None) for f in read_frames(shared / "acac/train_300K.xyz")]
    assert unit_codes(acac) == {}
    for unit, name in ((Hartree, "Hartree"), (kcal / mol, "kcal/mol"), (kJ / mol, "kJ/mol")):
        (finding,) = unit_codes(convert(acac, unit)).values()
        assert f"look like {name}:" in finding.message


def test_neighbours_are_found_once_a_frame(monkeypatch):
    import equishare.atoms.frame as module

    found, search = [], module.neighbour_list
    monkeypatch.setattr(module, "neighbour_list", lambda *given: found.append(1) or search(*given))
    rng = np.random.default_rng(0)
    atoms = molecule("C6H6") + molecule("CO2")
    atoms.positions[12:] += [0.0, 0.0, 3.5]
    frames = []
    for n in range(200):
        copy = atoms.copy()
        copy.positions += rng.normal(scale=0.03, size=(15, 3))
        frames.append(Frame(copy, energy=float(rng.normal()), forces=rng.normal(size=(15, 3)), index=n))
    inspect(frames)
    assert 0 < len(found) <= len(frames)


def test_dummy_atoms_have_no_electrons():
    dummies = Atoms("X2", positions=[(0, 0, 0), (0, 0, 1.5)])
    real = molecule("H2O")
    inspect([Frame(real, energy=-2079.0), Frame(dummies, energy=-1.0)])
