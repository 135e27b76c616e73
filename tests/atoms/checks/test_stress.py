"""Stresses in other units, with the other sign or in another order are named, with the factor; right ones raise no alarm."""

import re
from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.units import Bohr, GPa, Hartree, kcal, mol

from equishare.atoms import Frame, inspect, read_frames
from equishare.atoms.checks.strain_work import stress_over_pair_terms, stress_over_strain_work
from equishare.atoms.checks.stress import check_stress

VASP = [0, 1, 2, 5, 3, 4]  # xx yy zz xy yz zx of what is xx yy zz yz xz xy
LAMMPS = [0, 1, 2, 5, 4, 3]


def computed(start, strain, rattle, calculator, count=40):
    rng = np.random.default_rng(0)
    frames = []
    for n in range(count):
        atoms = start.copy()
        atoms.set_cell(atoms.cell[:] @ (np.eye(3) + rng.normal(scale=strain, size=(3, 3))), scale_atoms=True)
        atoms.rattle(rattle, rng=rng)
        atoms.calc = calculator()
        energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
        atoms.calc = None
        frames.append(Frame(atoms, energy=energy, forces=forces, stress=stress, index=n))
    return frames


def argon():
    return LennardJones(sigma=3.4, epsilon=0.0104, rc=8.0, smooth=True)


SETS = {
    "strained metal": lambda: computed(bulk("Cu", cubic=True), 0.02, 0.1, EMT),
    "one cell": lambda: computed(bulk("Cu", cubic=True).repeat((2, 2, 1)), 0.0, 0.15, EMT),
    "alloy": lambda: computed(bulk("AuCu", "cesiumchloride", 3.1).repeat(2), 0.02, 0.1, EMT),
    "argon": lambda: computed(bulk("Ar", cubic=True), 0.03, 0.2, argon),
    "dry ice": lambda: read_frames("dry_ice@3::4"),
}


@pytest.fixture(scope="module", params=SETS)
def frames(request):
    return SETS[request.param]()


def changed(frames, factor=1.0, order=None):
    def stress(frame):
        matrix = factor * frame.stress
        return matrix if order is None else matrix[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]][order]

    return [replace(f, stress=stress(f)) for f in frames]


def test_right_stresses_raise_no_alarm(frames):
    assert not list(check_stress(frames, "train"))


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (-1.0, "the stresses have the opposite sign:"),
        (1 / GPa, "look like GPa"),
        (-10 / GPa, "have the opposite sign and look like kbar"),
        (-1 / GPa, "have the opposite sign and look like GPa"),
        (Bohr**3 / Hartree, r"look like Hartree/Bohr\^3"),
    ],
)
def test_sign_and_unit_are_named_with_the_factor(frames, factor, words):
    (finding,) = check_stress(changed(frames, factor), "train")
    assert finding.code == "units-stress"
    assert re.search(words, finding.message), finding.message
    assert f"multiply them by {1 / factor:.6g} " in finding.advice
    assert "1 is right" in finding.message


@pytest.mark.parametrize(
    ("order", "name"), [(VASP, "xx yy zz xy yz zx"), (LAMMPS, "xx yy zz xy xz yz")], ids=["VASP", "LAMMPS"]
)
@pytest.mark.parametrize("factor", [1.0, -10 / GPa])
def test_the_order_of_components_is_named(order, name, factor):
    frames = changed(SETS["strained metal"](), factor, order)
    (finding,) = check_stress(frames, "train")
    assert f"look like the order {name}" in finding.message
    assert "put them into the order xx yy zz yz xz xy" in finding.advice
    assert ("kbar" in finding.message) == (factor != 1.0)


@pytest.mark.parametrize(
    ("factor", "words"), [(-1.0, "the virials have the opposite sign"), (mol / kcal, "virials look like kcal/mol:")]
)
def test_virials_are_called_by_their_name(factor, words):
    frames = [replace(f, keys={"stress": "REF_virial"}) for f in changed(SETS["strained metal"](), factor)]
    (finding,) = check_stress(frames, "train")
    assert words in finding.message
    assert "to have eV, minus the volume times the stress" in finding.advice


def test_a_virial_that_is_called_stress_is_in_ev():
    frames = [replace(f, stress=f.stress * f.atoms.cell.volume) for f in SETS["alloy"]()]
    (finding,) = check_stress(frames, "train")
    assert "eV, a virial that is not divided by the volume" in finding.message


def test_pair_terms_measure_the_factor_where_all_cells_are_one():
    rattled = SETS["one cell"]()
    measure = stress_over_pair_terms(rattled)
    assert measure.factor == pytest.approx(1.0, abs=0.5)
    assert measure.correlation > 0.8
    assert stress_over_strain_work(rattled) is None


def test_the_trapezoid_is_exact_for_small_strains():
    measure = stress_over_strain_work(computed(bulk("Cu", cubic=True), 0.002, 0.01, EMT))
    assert measure.factor == pytest.approx(1.0, abs=0.02)
    assert measure.correlation > 0.999


def test_an_equation_of_state_needs_no_forces():
    frames = []
    for n, a in enumerate(np.linspace(3.4, 3.8, 15)):
        atoms = bulk("Cu", a=a)
        atoms.calc = EMT()
        frames.append(Frame(atoms, energy=atoms.get_potential_energy(), stress=atoms.get_stress(), index=n))
        atoms.calc = None
    assert not list(check_stress(frames, "train"))
    (finding,) = check_stress(changed(frames, -1 / GPa), "train")
    assert "opposite sign and look like GPa" in finding.message


def test_inspection_says_it():
    finding = next(f for f in inspect(changed(SETS["strained metal"](), -1.0)).findings if f.code == "units-stress")
    assert finding.level == "error"
    assert len(finding.frames) == 40
