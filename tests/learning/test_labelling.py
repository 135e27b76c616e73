"""Labels in processes: what fails, hangs, dies or is no number is told apart from what is well, and the rest goes on."""

import os

import numpy as np
import pytest
from ase.calculators.calculator import CalculationFailed
from labellers import cannot_be_made, dies, ends, good, hangs, not_finite, nothing, raises, unconverged

from equishare.learning.labelling.outcome import Labelled, Refused
from equishare.learning.labelling.pool import LabellerError, LabelPool
from equishare.learning.report.beside import InOtherProcess


def frames(copper, count=11):
    """The sixth one is trouble."""
    images = []
    for k in range(count):
        atoms = copper.copy()
        atoms.positions[0] += 0.01 * k
        # the labellers in trouble look at this digit
        digit = int(1e5 * abs(atoms.positions).sum()) % 10
        atoms.positions[1, 2] += 1e-5 * ((0 if k == 5 else 4) - digit) + 3e-6
        images.append((f"f{k}", atoms))
    return images


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (raises, "CalculationFailed: the moon is in the wrong house"),
        (not_finite, "FloatingPointError: the forces are not finite"),
        (unconverged, "FloatingPointError: not converged"),
        (dies, "the process died (exit code 7)"),
        (hangs, "stopped after 2 s, the time limit of a label"),
    ],
)
def test_trouble_is_told(copper, make, reason):
    asked = frames(copper)
    with LabelPool(make, workers=2, limit=2.0) as pool:
        found = dict(pool.label(asked))
        assert set(found) == {name for name, _ in asked}
    refused = {name: outcome.reason for name, outcome in found.items() if isinstance(outcome, Refused)}
    assert refused == {"f5": reason}
    for name, atoms in asked:
        if name in refused:
            continue
        atoms.calc = good()
        assert isinstance(found[name], Labelled)
        assert np.allclose(found[name].forces, atoms.get_forces())
        assert found[name].energy == pytest.approx(atoms.get_potential_energy())
        assert np.allclose(found[name].stress, atoms.get_stress())


def test_what_hangs_is_gone(copper):
    with LabelPool(hangs, workers=1, limit=1.0) as pool:
        before = None
        for name, _ in pool.label(frames(copper, count=7)):
            if name == "f0":
                before = pool.processes[0].process.pid
        assert before not in [process.process.pid for process in pool.processes]
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (cannot_be_made, "no such basis"),
        (nothing, "returns an ASE calculator, it returned NoneType"),
        (ends, "exit code 3"),
    ],
)
def test_a_calculator_that_cannot_be_made(copper, make, message):
    with LabelPool(make, workers=1, limit=5.0) as pool:
        with pytest.raises(LabellerError, match=message):
            list(pool.label(frames(copper)))
        with pytest.raises(LabellerError, match=message):
            pool.start()
        assert not pool.processes


def test_a_process_that_was_started_labels(copper):
    with LabelPool(good, workers=2, limit=10.0) as pool:
        pool.start()
        (first,) = pool.processes
        assert all(isinstance(outcome, Labelled) for _, outcome in pool.label(frames(copper, count=3)))
        assert len(pool.processes) == 2
        assert pool.processes[0] is first


def test_stopping_gives_up_what_is_under_way(copper):
    with LabelPool(hangs, workers=1, limit=1000.0) as pool:
        hanging = lambda: any(process.task == "f5" for process in pool.processes)  # noqa: E731
        assert [name for name, _ in pool.label(frames(copper), hanging)] == ["f0", "f1", "f2", "f3", "f4"]
        assert not pool.processes


def test_the_method_as_a_calculator(copper):
    """Dynamics in this process, with forces from another."""
    atoms, same = copper.copy(), copper.copy()
    atoms.positions[0] += 0.1
    same.positions[0] += 0.1
    same.calc = good()
    with LabelPool(good, workers=1, limit=10.0) as pool:
        atoms.calc = InOtherProcess(pool)
        assert np.array_equal(atoms.get_forces(), same.get_forces())
        assert atoms.get_potential_energy() == same.get_potential_energy()
        atoms.positions[1] += 0.1
        same.positions[1] += 0.1
        assert np.array_equal(atoms.get_forces(), same.get_forces())
    with LabelPool(dies, workers=1, limit=10.0) as pool:
        broken = frames(copper)[5][1]
        broken.calc = InOtherProcess(pool)
        with pytest.raises(CalculationFailed, match="the process died"):
            broken.get_forces()
