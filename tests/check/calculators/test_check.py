"""A pair potential with one mistake at a time: the law that it breaks, and no other, must fail."""

import json
import re

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import all_changes
from faulty_calculators import CUTOFF, Pairs, crystal, ethanol

from equishare.check import CheckError, calculator


def failing(report):
    return {t.name for t in report.failures}


@pytest.mark.parametrize("atoms", [ethanol(), crystal()], ids=["molecule", "crystal"])
def test_a_correct_potential_passes_everything(atoms):
    before = atoms.copy()
    report = calculator(Pairs(), atoms)
    assert report.passed, report
    assert {t.name for t in report.tests} >= {"rotation", "smoothness", "NVE drift", "energy slope"}
    assert atoms == before
    assert atoms.calc is None


@pytest.mark.parametrize(
    ("mistake", "laws"),
    [
        ("field", {"rotation", "reflection"}),
        ("handed", {"reflection"}),
        ("origin", {"translation"}),
        ("first", {"permutation", "energy slope"}),
        ("offset", {"size-consistency"}),
        ("mean", {"size-consistency"}),
        ("slope", {"energy slope"}),
        ("curl", {"energy slope"}),
        ("nan", {"rotation", "translation", "permutation"}),
    ],
)
def test_mistakes_in_a_molecule(mistake, laws):
    report = calculator(Pairs(mistake), ethanol(), scan=False, dynamics=False)
    assert laws <= failing(report), report
    if mistake in ("handed", "offset", "slope"):
        assert failing(report) - {"permutation", "size-consistency"} <= laws, report


@pytest.mark.parametrize(
    ("mistake", "laws"),
    [("images", {"wrapping", "supercell"}), ("mean", {"supercell"}), ("pressure", {"energy slope"})],
)
def test_mistakes_in_a_crystal(mistake, laws):
    report = calculator(Pairs(mistake), crystal(), scan=False, dynamics=False)
    assert laws <= failing(report), report
    assert not {"permutation", "reflection"} & failing(report)


def test_a_cut_without_an_envelope_is_found_and_placed():
    report = calculator(Pairs("step"), ethanol(), dynamics=False)
    (row,) = [t for t in report.failures if t.name == "smoothness" and t.quantity.startswith("energy along a ray of")]
    assert row.error == pytest.approx(np.exp(-CUTOFF), rel=1e-3)
    moved = float(row.note.split("at ")[1].split(" ")[0])
    atoms = ethanol()
    number = int(re.search(r"\d+", row.quantity)[0])
    ray = atoms.positions[number] - atoms.positions.mean(0)
    atoms.positions[number] += moved * ray / np.linalg.norm(ray)
    distances = atoms.get_distances(number, [k for k in range(len(atoms)) if k != number])
    assert np.abs(distances - CUTOFF).min() < 1e-4


def test_a_kink_fails_for_forces_alone():
    report = calculator(Pairs("kink"), ethanol(), dynamics=False)
    found = {t.quantity.split()[0] for t in report.failures if t.name == "smoothness"}
    assert found == {"force"}


def test_forces_with_curl_do_not_conserve_energy():
    assert "NVE drift" in failing(calculator(Pairs("curl"), ethanol(), scan=False))


def test_single_precision_is_noticed_and_forgiven():
    report = calculator(Pairs("single"), ethanol(), scan=False, dynamics=False)
    assert report.precision == "float32"
    assert report.passed, report


def test_a_refusal_is_a_line():
    class Picky(Pairs):
        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            if len(atoms) > 9:
                raise RuntimeError("too large for me\nsorry")
            super().calculate(atoms, properties, system_changes)

    report = calculator(Picky(), ethanol(), scan=False, dynamics=False)
    assert report.verdict == "undecided"
    assert any("too large for me" in t.note for t in report.tests)


@pytest.mark.parametrize("slip", [0.0, 0.1])
def test_batches(slip):
    class Batched(Pairs):
        def calculate_batch(self, frames):
            results = [self.pair_terms(frame) for frame in frames]
            results[1]["energy"] += slip
            return results

    report = calculator(Batched(), ethanol(), scan=False, dynamics=False)
    rows = [t for t in report.tests if t.name == "batch equals single"]
    assert [t.verdict for t in rows] == [("fail" if slip else "pass"), "pass"]


def test_reports(tmp_path):
    report = calculator(Pairs(), ethanol(), samples=1)
    values = json.loads(report.to_json(tmp_path / "r.json"))
    assert values["verdict"] == "pass"
    assert any(t["curve"] for t in values["tests"])
    page = report.to_html(tmp_path / "r.html")
    assert page.count("<svg") == 5
    assert report.to_html_fragment() in page
    assert report.to_dict()["calculator"] == "Pairs"
    assert "NVE drift" in str(report)


def test_vanishing_forces_are_remarked_upon():
    atoms = Atoms("Ar", cell=[10, 10, 10], pbc=True)
    report = calculator(Pairs(), atoms, samples=1, scan=False, dynamics=False)
    assert any("vanish" in note for note in report.notes)
    with pytest.raises(ValueError, match="no atoms"):
        calculator(Pairs(), Atoms())


class OneNumber(Pairs):
    """Gives its energy as an array that holds one number."""

    def calculate(self, *arguments, **keywords):
        super().calculate(*arguments, **keywords)
        self.results["energy"] = np.array([self.results["energy"]])


class EnergyAlone(Pairs):
    implemented_properties = ("energy",)

    def calculate(self, *arguments, **keywords):
        super().calculate(*arguments, **keywords)
        del self.results["forces"]


class Mute(Pairs):
    """Refuses another order of its atoms without a word."""

    def calculate(self, atoms=None, *arguments, **keywords):
        if atoms.numbers[0] != 6 or atoms.numbers[1] != 6:
            raise AssertionError
        super().calculate(atoms, *arguments, **keywords)


def test_energies_in_arrays_missing_forces_and_silent_refusals():
    assert calculator(OneNumber(), ethanol(), scan=False, dynamics=False).passed
    with pytest.raises(CheckError, match="gives no forces"):
        calculator(EnergyAlone(), ethanol(), scan=False, dynamics=False)
    report = calculator(Mute(), ethanol(), scan=False, dynamics=False)
    assert report.verdict == "undecided"
    assert "no message, in" in next(t.note for t in report.tests if t.name == "permutation")


class Charged(Pairs):
    """Ions: what is between two of them falls as one over the distance."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        d = atoms.positions[:, None] - atoms.positions[None]
        r = np.sqrt(np.square(d).sum(-1) + 1.0)
        self.results["energy"] += 0.5 * (1 / r).sum()
        self.results["forces"] = self.results["forces"] + (d / r[..., None] ** 3).sum(1)


def test_an_interaction_of_charges_is_named_as_long_ranged():
    report = calculator(Charged(), ethanol(), scan=False, dynamics=False)
    assert report.passed, report
    assert any("long-range interaction" in t.note for t in report.tests)
