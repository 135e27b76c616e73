"""A pair potential with one mistake at a time: the law that it breaks, and no other, must fail."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.neighborlist import neighbor_list

from equishare.check import calculator

CUTOFF = 3.2


class Pairs(Calculator):
    """sum of (1 - r/rc)^3 exp(-r) over pairs within rc, with forces and stress, and perhaps a mistake."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, mistake=""):
        super().__init__()
        self.mistake = mistake

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        r, mistake, n = atoms.positions, self.mistake, len(atoms)
        self.results = self.pair_terms(atoms)
        energy, forces = self.results["energy"], self.results["forces"]
        if mistake == "field":
            self.results["energy"] = energy + 0.1 * np.sin(r[:, 2] - r[:, 2].mean()).sum()
            cosine = np.cos(r[:, 2] - r[:, 2].mean())
            forces[:, 2] -= 0.1 * (cosine - cosine.mean())
        elif mistake == "handed":
            a, b, c = r[1] - r[0], r[2] - r[0], r[3] - r[0]
            self.results["energy"] = energy + 0.01 * np.dot(np.cross(a, b), c)
            grad = np.zeros((n, 3))
            grad[1], grad[2], grad[3] = np.cross(b, c), np.cross(c, a), np.cross(a, b)
            grad[0] = -grad.sum(0)
            forces -= 0.01 * grad
        elif mistake == "origin":
            self.results["energy"] = energy + 0.01 * np.square(r).sum()
            forces -= 0.02 * r
        elif mistake == "first":
            forces[0] *= 1.01
        elif mistake == "offset":
            self.results["energy"] = energy + 1.0
        elif mistake == "mean":
            self.results["energy"] = energy / n
            forces /= n
        elif mistake == "slope":
            forces *= 1.02
        elif mistake == "curl":
            forces += 0.5 * np.cross(forces, r - r.mean(0))
        elif mistake == "pressure":
            self.results["stress"] = -self.results["stress"]
        elif mistake == "single":
            self.results = {k: np.asarray(v, dtype=np.float32).astype(np.float64) for k, v in self.results.items()}
        elif mistake == "nan":
            forces[0, 0] = np.nan

    def pair_terms(self, atoms):
        i, j, d, D = neighbor_list("ijdD", atoms, CUTOFF)
        if self.mistake == "images":
            inside = np.linalg.norm(atoms.positions[j] - atoms.positions[i] - D, axis=1) < 1e-9
            i, j, d, D = i[inside], j[inside], d[inside], D[inside]
        x = 1 - d / CUTOFF
        power = 0 if self.mistake == "step" else 1 if self.mistake == "kink" else 3
        energy = x**power * np.exp(-d)
        slope = -np.exp(-d) * (x**power + (power * x ** (power - 1) / CUTOFF if power else 0))
        pull = (slope / d)[:, None] * D
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, i, pull)
        results = {"energy": energy.sum() / 2, "forces": forces}
        if atoms.cell.rank == 3:
            virial = 0.5 * np.einsum("ka,kb->ab", pull, D) / atoms.get_volume()
            results["stress"] = virial.ravel()[[0, 4, 8, 5, 2, 1]]
        return results


def ethanol():
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.05, seed=1)
    return atoms


def crystal():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    return atoms


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
        ("offset", {"size-extensivity"}),
        ("mean", {"size-extensivity"}),
        ("slope", {"energy slope"}),
        ("curl", {"energy slope"}),
        ("nan", {"rotation", "translation", "permutation"}),
    ],
)
def test_mistakes_in_a_molecule(mistake, laws):
    report = calculator(Pairs(mistake), ethanol(), scan=False, dynamics=False)
    assert laws <= failing(report), report
    if mistake in ("handed", "offset", "slope"):
        assert failing(report) - {"permutation", "size-extensivity"} <= laws, report


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
    (row,) = [t for t in report.failures if t.name == "smoothness" and t.quantity == "energy"]
    assert row.error == pytest.approx(np.exp(-CUTOFF), rel=1e-3)
    moved = float(row.note.split("by ")[1].split(" ")[0])
    atoms = ethanol()
    number = int(row.note.split("atom ")[1].split(" ")[0])
    ray = atoms.positions[number] - atoms.positions.mean(0)
    atoms.positions[number] += moved * ray / np.linalg.norm(ray)
    distances = atoms.get_distances(number, [k for k in range(len(atoms)) if k != number])
    assert np.abs(distances - CUTOFF).min() < 1e-4


def test_a_kink_fails_for_forces_alone():
    report = calculator(Pairs("kink"), ethanol(), dynamics=False)
    assert {t.quantity for t in report.failures if t.name == "smoothness"} == {"force"}


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
    assert page.count("<svg") == 2
    assert report.to_html_fragment() in page
    assert report.to_dict()["calculator"] == "Pairs"
    assert "NVE drift" in str(report)


def test_vanishing_forces_are_remarked_upon():
    atoms = Atoms("Ar", cell=[10, 10, 10], pbc=True)
    report = calculator(Pairs(), atoms, samples=1, scan=False, dynamics=False)
    assert any("vanish" in note for note in report.notes)
    with pytest.raises(ValueError, match="no atoms"):
        calculator(Pairs(), Atoms())
