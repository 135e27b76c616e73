"""What was not tested, or gave no number, does not pass."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

from equishare.check import CheckError, Verdict, calculator, equivariance, point_cloud
from equishare.check.calculators.evaluator import Evaluator
from equishare.check.calculators.invariances import permuted


def rows(report, law):
    return {t.quantity: t for t in report.tests if t.name == law}


def quick(calc, atoms, **options):
    return calculator(calc, atoms, **{"scan": False, "dynamics": False, **options})


@pytest.mark.parametrize("samples", [0, -1])
def test_nothing_is_not_a_number_of_samples(samples):
    with pytest.raises(CheckError, match=f"1 or more, got {samples}"):
        quick(EMT(), molecule("H2O"), samples=samples)
    with pytest.raises(CheckError, match=f"1 or more, got {samples}"):
        equivariance(lambda r: r.sum(), (np.ones((5, 3)),), point_cloud(), samples=samples)


def test_nan_in_a_batch_fails():
    class Batch(EMT):
        def calculate_batch(self, frames):
            return [{"energy": np.nan, "forces": np.full((len(f), 3), np.nan)} for f in frames]

    found = rows(quick(Batch(), molecule("H2O")), "batch equals single")
    assert {q: (t.verdict, t.note) for q, t in found.items()} == dict.fromkeys(
        ("energy", "forces"), (Verdict.FAIL, "NaN or infinity")
    )


def test_nan_under_a_strain_fails():
    crystal = bulk("Cu", cubic=True)
    crystal.rattle(0.05, seed=1)
    volume = crystal.get_volume()

    class OneVolume(EMT):
        def calculate(self, atoms=None, properties=("energy",), system_changes=()):
            super().calculate(atoms, properties, system_changes)
            if not np.isclose(atoms.get_volume() / volume, [1, 2], rtol=1e-9).any():
                self.results["energy"] = self.results["free_energy"] = np.nan

    found = rows(quick(OneVolume(), crystal), "energy slope")
    assert {q: t.verdict for q, t in found.items()} == {
        "forces": Verdict.PASS,
        "stress": Verdict.FAIL,
        "pressure": Verdict.FAIL,
    }


def test_a_calculator_that_refuses_every_path_was_not_tested_for_smoothness():
    water = molecule("H2O")

    class NearHere(EMT):
        def calculate(self, atoms=None, properties=("energy",), system_changes=()):
            if len(atoms) == 3 and np.ptp(atoms.get_all_distances() - water.get_all_distances()) > 0.8:
                raise RuntimeError("too far")
            super().calculate(atoms, properties, system_changes)

    class Here(NearHere):
        def calculate(self, atoms=None, properties=("energy",), system_changes=()):
            if len(atoms) == 3 and np.ptp(atoms.get_all_distances() - water.get_all_distances()) > 0.3:
                raise RuntimeError("too far")
            super().calculate(atoms, properties, system_changes)

    some, none = (quick(calc, water, scan=True) for calc in (NearHere(), Here()))
    assert rows(some, "smoothness")
    assert any("a ray of H1 not tested" in note for note in some.notes)
    assert [t.verdict for t in rows(none, "smoothness").values()] == [Verdict.UNDECIDED]


def test_one_atom_has_no_order():
    assert not rows(quick(EMT(), Atoms("Cu")), "permutation")


@pytest.mark.parametrize("seed", range(8))
def test_two_atoms_change_places_each_time(seed):
    evaluate = Evaluator(EMT(), molecule("CO"))
    for expectation in permuted(evaluate, np.random.default_rng(seed), 3):
        assert expectation.atoms.numbers.tolist() == evaluate.atoms.numbers.tolist()[::-1]
