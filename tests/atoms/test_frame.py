"""A frame: its names, its weight, and whether it is an isolated atom."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from equishare.atoms import Frame, LabelError, read_frames, split_isolated
from equishare.datasets import path

WATER = Path(__file__).with_name("water.xyz").read_text()


def test_a_frame_takes_names_of_the_table():
    frame = Frame(molecule("H2O"), {"energy": -1.0}, {"charge": 1}, forces=np.zeros((3, 3)), spin=2)
    assert (frame.label("energy"), frame.label("forces").shape, frame.label("dipole")) == (-1.0, (3, 3), None)
    assert frame.conditions == {"charge": 1, "spin": 2}
    assert replace(frame, energy=None, charge=0).labels.keys() == {"forces"}
    assert replace(frame, index=3).conditions == {"charge": 1, "spin": 2}
    with pytest.raises(LabelError, match="got 'enrgy'"):
        Frame(molecule("H2O"), enrgy=-1.0)
    with pytest.raises(LabelError, match=r"expected shape \(atoms, 3\) for the forces, got shape \(2, 3\)"):
        Frame(molecule("H2O"), forces=np.zeros((2, 3)))


def test_labels_that_are_not_finite_are_left_out():
    forces = np.ones((3, 3))
    forces[1, 2] = np.inf
    frame = Frame(molecule("H2O"), energy=np.nan, forces=forces, stress=np.full(6, np.nan))
    assert frame.labels.keys() == {"forces"}
    assert np.isnan(frame.forces).all(axis=1).tolist() == [False, True, False]
    assert frame.not_finite == {"energy", "forces", "stress"}
    assert replace(frame, energy=-1.0, forces=None).not_finite == {"stress"}


@pytest.mark.parametrize("key", ["weight", "config_weight"])
def test_the_weight_of_a_frame(tmp_path, key):
    file = tmp_path / "weights.xyz"
    file.write_text(WATER + WATER.replace("energy=", f"{key}=2.5 energy="))
    assert [f.weight for f in read_frames(file)] == [1.0, 2.5]
    file.write_text(WATER.replace("energy=", f"{key}=-1 energy="))
    with pytest.raises(LabelError, match="not negative"):
        read_frames(file)


def test_isolated_atoms_are_told_apart():
    frames = read_frames(path("ethanol"))
    isolated, rest = split_isolated(frames)
    assert [f.atoms.get_chemical_formula() for f in isolated] == ["H", "C", "O"]
    assert len(isolated) + len(rest) == len(frames)
    assert Frame(Atoms("H", cell=[9, 9, 9], pbc=True)).is_isolated()
    boxed = Atoms("H", cell=[4, 9, 9], pbc=True)
    assert not Frame(boxed).is_isolated()
    assert Frame(boxed).is_isolated(cutoff=3.9)
    boxed.info["config_type"] = "IsolatedAtom"
    assert Frame(boxed).is_isolated()
    assert not Frame(Atoms("H2", info={"config_type": "isolated_atom"})).is_isolated()
