"""Labels, conditions and their names in files."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from equishare.atoms import PROPERTIES, Frame, LabelError, inspect, read_frames
from equishare.atoms.labels import read_labels
from equishare.errors import EquishareError

WATER = Path(__file__).with_name("water.xyz").read_text()


@pytest.mark.parametrize(
    ("energy", "forces"),
    [
        ("energy", "forces"),
        ("REF_energy", "REF_forces"),
        ("dft_energy", "DFT_forces"),
        ("TotEnergy", "force"),
        ("free_energy", "force"),
        ("U", "forces"),
        ("E", "f"),
        ("energy_dft", "forces_ref"),
    ],
)
def test_the_usual_keys_are_found(tmp_path, energy, forces):
    file = tmp_path / "keys.xyz"
    file.write_text(WATER.replace("energy", energy).replace("forces", forces))
    (frame,) = read_frames(file)
    assert frame.energy == -14.2
    assert frame.forces.shape == (3, 3)


def test_the_free_energy_belongs_to_the_forces(tmp_path):
    """Smearing parts the energy from the free energy, whose derivative the forces are; what is far from it is something else."""
    file = tmp_path / "both.xyz"
    file.write_text(WATER.replace("energy=-14.2", "energy=-14.2 free_energy=-14.25 U=3"))
    (frame,) = read_frames(file)
    assert (frame.energy, frame.keys["energy"]) == (-14.25, "free_energy")
    (remark,) = frame.remarks
    assert remark.text == "energy and free_energy differ: free_energy is taken, whose derivative the forces are"
    assert read_frames(file, {"energy": "energy"})[0].energy == -14.2
    assert read_frames(file, {"energy": "U"})[0].energy == 3.0
    file.write_text(WATER.replace("energy=-14.2", "energy=-14.2 free_energy=-15"))
    with pytest.raises(LabelError, match=r"ambiguous.*--key energy=free_energy"):
        read_frames(file)


def test_keys_are_found_in_each_frame(tmp_path):
    file = tmp_path / "two.xyz"
    file.write_text(WATER.replace("energy", "REF_energy") + WATER)
    assert [(f.energy, f.keys["energy"]) for f in read_frames(file)] == [(-14.2, "REF_energy"), (-14.2, "energy")]
    atom = "1\nProperties=species:S:1:pos:R:3 energy=-13.6\nH 0 0 0\n"
    file.write_text(WATER.replace("energy", "REF_energy") + WATER + atom)
    frames = read_frames(file, {"energy": "REF_energy"})
    assert [f.energy for f in frames] == [-14.2, None, -13.6]
    assert "without 'REF_energy', the name given for the energy: it is read from 'energy'" in frames[2].remarks[0].text


def test_one_name_with_two_values_is_asked_about(tmp_path):
    atoms = molecule("H2O")
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.ones((3, 3)))
    atoms.info["energy"] = -1.0
    write(tmp_path / "a.traj", atoms)
    assert read_frames(tmp_path / "a.traj")[0].energy == -1.0
    atoms.info["energy"] = -2.0
    write(tmp_path / "a.traj", atoms)
    with pytest.raises(LabelError, match="'energy' stands in two places"):
        read_frames(tmp_path / "a.traj")
    del atoms.info["energy"]
    atoms.arrays["forces"] = np.zeros((3, 3))
    with pytest.raises(LabelError, match="'forces' stands in two places"):
        read_labels([atoms], ["frame"], {})


VALUES = [
    None, True, -1, 1.5, np.nan, np.inf, "x", "1.0", "", [1, 2], [], np.zeros(0), np.zeros(3), np.zeros((3, 3)), np.ones(6), np.array("a"),
    {"a": 1}, 1 + 2j, np.array([None] * 3), np.full((3, 3), np.nan), 10**400, np.float32(1.0), b"bytes", len, np.ones((3, 3), dtype=bool), 1e300,
]  # fmt: skip


KEYS = [key for row in PROPERTIES.values() for key in (*row.keys, *row.rare_keys)] + [
    "REF_energy",
    "weight",
    5,
    "FORCES",
]


@given(
    info=st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=5),
    results=st.dictionaries(st.sampled_from([str(key) for key in KEYS]), st.sampled_from(VALUES), max_size=3),
)
@settings(max_examples=150)
def test_whatever_stands_under_a_key_is_a_label_or_a_clear_error(info, results):
    atoms = molecule("H2O")
    atoms.info = info
    atoms.calc = SinglePointCalculator(atoms)
    atoms.calc.results = results
    with contextlib.suppress(EquishareError):
        (said,) = read_labels([atoms], ["frame"], {})
        inspect([Frame(atoms, **said)] * 2).to_dict()


def test_a_column_of_atoms_is_no_label_of_the_structure(tmp_path):
    file = tmp_path / "column.xyz"
    file.write_text(
        WATER.replace("forces:R:3 energy", "forces:R:3:energy:R:1 REF_energy").replace(" 0.0\n", " 0.0 5.0\n")
    )
    assert read_frames(file)[0].energy == -14.2
    with pytest.raises(LabelError, match=r"expected one number for the energy, got shape \(3,\) from 'energy'"):
        read_frames(file, {"energy": "energy"})


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("charge=1 spin=2", {"charge": 1, "spin": 2}),
        ("total_charge=-1.0 multiplicity=1 method=PBE", {"charge": -1, "spin": 1, "method": "PBE"}),
        ("charge=nan", {}),
    ],
)
def test_conditions_are_read_by_the_table(tmp_path, text, conditions):
    file = tmp_path / "charged.xyz"
    file.write_text(WATER.replace("energy=", f"{text} energy="))
    assert read_frames(file)[0].conditions == conditions


@pytest.mark.parametrize("text", ["charge=0.5", "spin=0", "charge=none", 'mulliken_charges="1 2"'])
def test_what_nobody_asked_for_is_left_out_with_a_remark(tmp_path, text):
    file = tmp_path / "charged.xyz"
    file.write_text(WATER.replace("energy=", f"{text} energy="))
    (frame,) = read_frames(file)
    assert frame.conditions == {}
    (remark,) = frame.remarks
    key = text.partition("=")[0]
    assert "left out: expected" in remark.text
    assert repr(key) in remark.text
    with pytest.raises(LabelError, match="expected"):
        read_frames(file, {{"mulliken_charges": "charges"}.get(key, key): key})


def test_names_that_agree_are_not_ambiguous(tmp_path):
    file = tmp_path / "both.xyz"
    file.write_text(WATER.replace("energy=-14.2", "energy=-14.2 REF_energy=-14.2"))
    assert read_frames(file)[0].energy == -14.2


@given(
    arrays(np.float64, (3, 3), elements=st.floats(-0.1, 0.1)),
    st.sampled_from(["stress", "virial", "REF_virial"]),
)
@settings(max_examples=20)
def test_stress_in_all_its_forms(tmp_path_factory, matrix, key):
    stress = matrix + matrix.T
    crystal = bulk("NaCl", "rocksalt", a=5.6)
    written = -stress * crystal.get_volume() if "virial" in key else stress
    crystal.info[key] = written
    file = tmp_path_factory.mktemp("stress") / "stress.xyz"
    write(file, crystal, format="extxyz")
    np.testing.assert_allclose(read_frames(file)[0].stress, stress, atol=1e-6)

    text = " ".join(f"{x:.10f}" for x in written[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]])
    crystal.info = {}
    write(file, crystal, format="extxyz")
    file.write_text(file.read_text().replace(" pbc=", f' {key}="{text}" pbc='))
    np.testing.assert_allclose(read_frames(file)[0].stress, stress, atol=1e-6)

    voigt = written[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    name = "REF_virial" if "virial" in key else "REF_stress"
    for form in (voigt, written.ravel()):
        crystal.info[name] = form
        write(file, crystal, format="extxyz")
        np.testing.assert_allclose(read_frames(file)[0].stress, stress, atol=1e-6)
