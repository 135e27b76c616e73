"""Noise is a finding of its own, and excuses nothing."""

import numpy as np
import pytest
from ase.calculators.calculator import all_changes
from faulty_calculators import Pairs, Scattering, crystal, ethanol

from equishare.check import calculator

QUICK = {"scan": False, "dynamics": False}


def bad(report, law):
    return {t.quantity for t in report.tests if t.name == law and t.verdict != "pass"}


@pytest.mark.parametrize("make", [ethanol, crystal])
@pytest.mark.parametrize(
    ("kind", "quantity"),
    [("random energy", "energy"), ("random forces", "forces"), ("memory", "energy"), ("stops early", "forces")],
)
@pytest.mark.parametrize("size", [1e-3, 0.1])
def test_what_scatters_fails_by_name(make, kind, quantity, size):
    report = calculator(Scattering(kind, size), make(), **QUICK)
    assert report.verdict == "fail"
    rows = [t for t in report.failures if t.name == "determinism"]
    assert [t.quantity for t in rows] == [quantity]
    wanted = "each time" if kind.startswith("random") else "after another one"
    assert wanted in rows[0].note


def test_a_little_scatter_below_the_tolerance_passes():
    assert calculator(Scattering("random energy", 1e-7), ethanol(), **QUICK).passed


def test_noise_that_depends_on_the_structure_fails_too():
    report = calculator(Scattering("hashed", 0.1), ethanol(), **QUICK)
    assert bad(report, "rounding") == {"energy"}
    assert not bad(report, "determinism")
    assert report.verdict == "fail"


def test_laws_that_pass_by_their_noise_alone_are_undecided():
    report = calculator(Scattering("random forces", 0.3), ethanol(), **QUICK)
    rotation = next(t for t in report.tests if t.name == "rotation" and t.quantity == "forces")
    assert rotation.verdict == "undecided"
    assert "hidden" in rotation.note
    assert all(t.verdict == "pass" for t in report.tests if t.quantity == "energy")


def test_a_sound_one_repeats_itself_to_the_last_digit():
    report = calculator(Pairs(), crystal(), **QUICK)
    rows = [t for t in report.tests if t.name == "determinism"]
    assert {t.quantity for t in rows} == {"energy", "forces", "stress"}
    assert all(t.error == 0 for t in rows)


class Unseeing(Pairs):
    """Looks at the positions alone to see whether a structure is new."""

    kept = (None, None)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        key = atoms.positions.tobytes()
        if self.kept[0] != key:
            super().calculate(atoms, properties, system_changes)
            self.kept = (key, self.results)
        self.atoms, self.results = atoms.copy(), {k: np.copy(v) for k, v in self.kept[1].items()}
        self.results["energy"] = float(self.results["energy"])


def test_another_cell_at_the_same_positions_must_be_noticed():
    report = calculator(Unseeing(), crystal(), **QUICK)
    assert bad(report, "determinism") == {"energy", "forces", "stress"}
    assert any("told by the positions alone" in t.note for t in report.failures)
