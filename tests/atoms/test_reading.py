"""Reading frames: where they come from, slices, several files."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from equishare.atoms import read_frames

WATER = Path(__file__).with_name("water.xyz").read_text()


@pytest.fixture
def water(tmp_path):
    file = tmp_path / "water.xyz"
    file.write_text(WATER * 5)
    return file


def test_frames_know_where_they_come_from(water):
    frames = read_frames(water)
    assert [f.name for f in frames] == [f"water.xyz@{n}" for n in range(5)]
    assert frames[0].energy == -14.2
    np.testing.assert_array_equal(frames[0].forces[:, 0], [0.1, 0.0, -0.1])
    assert frames[0].stress is None
    assert frames[0].label("dipole") is None
    assert frames[0].atoms.calc is None


@pytest.mark.parametrize("text", [":2", "1:", "::2", "-2:", "-1", "0", "2", "3:1:-1", ":-1", "+1"])
def test_slices_are_those_of_python(water, text):
    numbers = list(range(5))
    part = numbers[slice(*(int(t) if t else None for t in text.split(":")))] if ":" in text else [numbers[int(text)]]
    assert [f.index for f in read_frames(f"{water}@{text}")] == part


def test_a_file_whose_name_has_an_at_sign(tmp_path):
    file = tmp_path / "run@300.xyz"
    file.write_text(WATER * 2)
    assert len(read_frames(file)) == 2
    assert len(read_frames(f"{file}@:1")) == 1


def test_a_slice_before_a_break_is_read(tmp_path):
    file = tmp_path / "cut.xyz"
    file.write_text(WATER * 2 + WATER[:100])
    assert len(read_frames(f"{file}@:2")) == 2


def test_several_files_and_formats(water, tmp_path):
    atoms = molecule("H2O")
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.ones((3, 3)), dipole=np.ones(3))
    write(tmp_path / "a.traj", [atoms, atoms])
    write(tmp_path / "a.json", atoms)
    with gzip.open(tmp_path / "b.xyz.gz", "wt") as stream:
        stream.write(WATER)
    frames = read_frames([water, tmp_path / "a.traj", f"{tmp_path}/a.json", tmp_path / "b.xyz.gz"])
    assert len(frames) == 9
    assert [f.energy for f in frames[4:]] == [-14.2, -1.0, -1.0, -1.0, -14.2]
    assert frames[5].label("dipole").tolist() == [1.0, 1.0, 1.0]
