"""Laws of charges, dipoles, heat flux and uncertainties; the same numbers in copies and threads."""

import numpy as np
import pytest
from ase.build import molecule
from faulty_calculators import Pairs, Rich, Unlike, crystal, ethanol

from equishare.check import calculator
from equishare.check.calculators.properties import Change, Kind, kind_of

QUICK = {"scan": False, "dynamics": False}


def water():
    """Three atoms: a vector looks like one number an atom."""
    atoms = molecule("H2O")
    atoms.rattle(0.05, seed=1)
    return atoms


def charged(atoms, charge):
    atoms.set_initial_charges([charge / len(atoms)] * len(atoms))
    return atoms


@pytest.mark.parametrize("make", [ethanol, water, crystal])
@pytest.mark.parametrize("charge", [0.0, 1.0])
def test_sound_ones_pass(make, charge):
    report = calculator(Rich(), charged(make(), charge), **QUICK)
    assert report.passed, report
    tested = {t.quantity for t in report.tests if t.name == "rotation"}
    assert tested >= {"energies", "charges", "dipole", "heat_flux", "energy_uncertainty", "forces_uncertainty"}


@pytest.mark.parametrize(
    ("flaw", "law"),
    [
        ("energies", "energies add up"),
        ("charges leak", "charge conservation"),
        ("charges turn", "rotation"),
        ("flux", "time reversal"),
        ("even flux", "time reversal"),
        ("uncertainty", "rotation"),
        ("dipole moves", "dipole under translation"),
        ("dipole turns", "rotation"),
    ],
)
def test_each_mistake_breaks_its_law(flaw, law):
    report = calculator(Rich(flaw), charged(ethanol(), 1.0), **QUICK)
    assert law in {t.name for t in report.failures}, report


def test_a_dipole_about_the_centre_is_sound_too():
    assert calculator(Rich("centred"), charged(ethanol(), 1.0), **QUICK).passed


@pytest.mark.parametrize(("where", "law"), [("pickle", "after pickling"), ("thread", "in a thread")])
def test_copies_and_threads_give_the_same_numbers(where, law):
    assert {t.name for t in calculator(Unlike(where), ethanol(), **QUICK).failures} == {law}
    assert calculator(Unlike(""), ethanol(), **QUICK).passed


def test_what_cannot_be_pickled_gets_a_note():
    class Local(Pairs):
        pass

    report = calculator(Local(), ethanol(), **QUICK)
    assert report.passed
    assert any("cannot be pickled" in note for note in report.notes)


def test_the_other_calculator():
    assert calculator(Pairs(), ethanol(), against=Pairs(), **QUICK).passed
    report = calculator(Pairs(), ethanol(), against=Pairs("slope"), **QUICK)
    assert {t.name for t in report.failures} == {"the other calculator"}


def test_a_wrong_pressure_is_named():
    class Volume(Pairs):
        """Its stress is right but for the trace."""

        def pair_terms(self, atoms):
            results = super().pair_terms(atoms)
            results["stress"][:3] += 1e-3
            return results

    rows = {(t.name, t.quantity) for t in calculator(Volume(), crystal(), **QUICK).failures}
    assert ("energy slope", "pressure") in rows


def test_kinds_and_changes():
    assert kind_of("dipole", (3,), 3).rank == 1
    assert kind_of("charges", (3,), 4) is None
    assert kind_of("polarizability", (6,), 5).rank == 2
    assert kind_of("forces_std", (5,), 5).per_atom
    assert kind_of("magmoms", (5, 3), 5).pseudo
    R = -np.eye(3)
    assert Change(R=R).apply(np.ones(3), Kind(1, pseudo=True)).tolist() == [1, 1, 1]
    assert Change(R=R).apply(np.ones(3), Kind(1)).tolist() == [-1, -1, -1]
    assert Change(copies=2).apply(np.ones(3), Kind(per_atom=True)).shape == (6,)


def test_unknown_options_are_refused():
    with pytest.raises(ValueError, match="did you mean 'samples'"):
        calculator(Pairs(), ethanol(), sample=1)
