"""Configurations drawn by GFN2-xTB: labelled by it, the same again, and honest where it cannot."""

import importlib.util
import os
from functools import partial

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from equishare.training.pretraining import sampling
from equishare.training.pretraining.sampling import FRAMES, SamplingError, sample, trajectory

xtb = pytest.mark.skipif(importlib.util.find_spec("tblite") is None, reason="tblite is not installed")


@xtb
def test_frames_are_labelled_by_the_method_and_repeat():
    from tblite.ase import TBLite

    frames = trajectory(molecule("H2O"), 600.0, seed=3, number=1)
    assert len(frames) == FRAMES
    last = frames[-1].copy()
    last.calc = TBLite(method="GFN2-xTB", verbosity=0)
    assert last.get_potential_energy() == pytest.approx(frames[-1].get_potential_energy(), abs=1e-5)
    np.testing.assert_allclose(last.get_forces(), frames[-1].get_forces(), atol=1e-4)
    assert frames[-1].info["config_type"] == "xtb_600K"
    again, other = (trajectory(molecule("H2O"), 600.0, seed=3, number=number) for number in (1, 2))
    # threads of the method may sum in another order
    np.testing.assert_allclose(again[-1].positions, frames[-1].positions, atol=1e-6)
    assert not np.allclose(other[-1].positions, frames[-1].positions)


@xtb
def test_the_charge_and_spin_of_the_start_are_those_of_the_frames():
    from tblite.ase import TBLite

    cation = molecule("H2O")
    cation.info |= {"total_charge": 1, "multiplicity": 2, "remark": "wet"}
    frames = trajectory(cation, 300.0, seed=0, number=0)
    assert frames[0].info == {"config_type": "xtb_300K", "charge": 1, "spin": 2}
    again = frames[0].copy()
    again.calc = TBLite(method="GFN2-xTB", charge=1, multiplicity=2, verbosity=0)
    assert again.get_potential_energy() == pytest.approx(frames[0].get_potential_energy(), abs=1e-5)


@xtb
@pytest.mark.slow
def test_processes_give_what_one_gives():
    starts = [molecule("H2O"), molecule("CH4")]
    one, two = (sample(starts, 40, [300.0, 900.0], seed=1, workers=workers) for workers in (1, 2))
    assert len(one) == len(two) == 40
    assert {atoms.get_chemical_formula() for atoms in one} == {"H2O", "CH4"}
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.positions, b.positions)


@xtb
def test_a_structure_that_the_method_cannot_do_gives_no_frames():
    assert trajectory(Atoms("Es2", [[0, 0, 0], [0, 0, 3.0]]), 300.0, 0, 0) == []


@xtb
def test_too_little_time_is_said():
    with pytest.raises(SamplingError, match=r"gave \d+ of 1000 configurations in the time"):
        sample([molecule("C6H6")], 1000, [300.0], seconds=0.0)


@xtb
def test_a_process_that_ends_at_once_is_said(monkeypatch):
    """As in a script without a guard, whose processes begin to draw themselves."""
    monkeypatch.setattr(sampling, "_one_thread", partial(os._exit, 1))
    with pytest.raises(SamplingError, match="__main__"):
        sample([molecule("H2O")], 25, [300.0])


def test_missing_method_is_said(monkeypatch):
    monkeypatch.setattr(sampling.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SamplingError, match=r"pip install 'equishare\[xtb\]'"):
        sample([molecule("H2O")], 30, [300.0])
